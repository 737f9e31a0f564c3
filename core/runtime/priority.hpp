// The priority of threads that carry audio.
#pragma once

#include <string_view>

namespace call::runtime {

enum class Priority { realtime, raised, normal };

/// Puts the calling thread in front of ordinary ones, as far as the system lets it: round-robin
/// real-time scheduling where somebody granted it on purpose (RLIMIT_RTPRIO, LimitRTPRIO= of a unit;
/// being root is not enough), else a negative nice value, else nothing. Threads that it starts are
/// ordinary ones.
Priority raise_this_thread();
std::string_view to_string(Priority priority);

}  // namespace call::runtime
