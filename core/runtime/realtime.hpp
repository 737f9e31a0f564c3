#pragma once

namespace call::runtime {

/// Asks for round-robin real-time scheduling of the calling thread, at a low real-time priority. Only when somebody
/// granted it on purpose (RLIMIT_RTPRIO, LimitRTPRIO= of a unit): being root is not enough. False: the thread stays
/// ordinary.
bool make_this_thread_realtime();

}  // namespace call::runtime
