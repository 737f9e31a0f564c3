// Every change of a job's state, as one step inside Redis (Lua), so that a job is always in exactly
// one of: a queue, a registry. Used inside core/rq; the arguments of each are listed at its source.
#pragma once

#include <string>
#include <string_view>

#include "core/redis/connection.hpp"

namespace call::rq::scripts {

const redis::Script& claim();      ///< take the next job and start it
const redis::Script& finish();     ///< settle a started job
const redis::Script& heartbeat();  ///< keep a worker and its job alive
const redis::Script& schedule();   ///< move due jobs into their queues
const redis::Script& maintain();   ///< find abandoned jobs, drop dead workers
const redis::Script& enqueue();
const redis::Script& cancel();
const redis::Script& requeue();
const redis::Script& purge();

/// Functions that several scripts share, put in front of their source.
std::string with_common(std::string_view body);

}  // namespace call::rq::scripts
