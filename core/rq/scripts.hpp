// Every change of a job's state, as one step inside Redis (Lua), so that a job is always in exactly
// one of: a queue, a registry. Used inside core/rq; the arguments of each are listed at its source.
#pragma once

#include <string>
#include <string_view>

#include "core/redis/connection.hpp"

namespace call::rq::scripts {

/// Settles the last job and claims the next one, in one round trip. ARGV: the number of words about
/// the job to settle (0: none), these, then the words about the claim (none: settle only); see
/// scripts_worker.cpp. Answers {end, claim}.
///
/// end: finished, failed, retried, stopped, requeued; gone (the job was deleted); settled (by an
/// earlier try of this very call, or by somebody else); "" for none.
/// claim: {"suspended"|"empty"|"more", dropped} ("more": ask again), {"error", dropped, text}, or
/// {"job", dropped, queue, id, member, size of data, data, status, ...}; dropped is id, why, ...
/// Asking again with the same execution after a lost answer gives the same job. Any other job that
/// this worker holds was handed out but never heard of: it goes back to its queue.
const redis::Script& turn();
const redis::Script& heartbeat();  ///< keep a worker and its job alive
const redis::Script& schedule();   ///< move due jobs into their queues
const redis::Script& maintain();   ///< find abandoned jobs, drop dead workers
const redis::Script& enqueue();
const redis::Script& cancel();
const redis::Script& remove();
const redis::Script& set_meta();
const redis::Script& requeue();
const redis::Script& purge();

/// Functions that several scripts share, put in front of their source.
std::string with_common(std::string_view body);

}  // namespace call::rq::scripts
