// What operators may do to jobs, queues and workers, on the caller's connection, which must be
// connected. Each change of a job is one step inside Redis: a worker never sees half of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/reads.hpp"

namespace call::rq {

/// Puts a failed, stopped or canceled job back into its queue. Errc::not_found, Errc::conflict.
Status requeue(redis::Connection& connection, std::string_view id, Deadline deadline);
/// The same for many (not more than some hundred at once): how many could be put back.
Result<std::int64_t> requeue_all(redis::Connection& connection, std::span<const std::string> ids,
                                 Deadline deadline);
/// A waiting job will not run (a started one is told to stop, see stop()). Errc::not_found,
/// Errc::conflict when it is started or has ended.
Status cancel(redis::Connection& connection, std::string_view id, Deadline deadline);
/// The same, and the jobs that wait for this one no longer do.
Status cancel_releasing_dependents(redis::Connection& connection, std::string_view id,
                                   Deadline deadline);
/// Deletes a job with its results and its places in queue, registries and group. Errc::not_found,
/// Errc::conflict when it is running.
Status remove(redis::Connection& connection, std::string_view id, Deadline deadline);
/// Asks the job's worker to stop it. Errc::not_found, Errc::conflict when it is not running,
/// Errc::unavailable when its worker does not listen.
Status stop(redis::Connection& connection, std::string_view id, Deadline deadline);

/// Deletes up to `most` jobs of one set of a queue: how many there were, less than `most` when there
/// are no more. Errc::invalid_argument for started jobs, which only their worker can end.
Result<std::int64_t> purge(redis::Connection& connection, std::string_view queue, JobSet set,
                           std::int64_t most, Deadline deadline);

/// No worker of any kind takes a job until resume(), or until `span` is over (0: for ever).
Status suspend(redis::Connection& connection, std::chrono::seconds span, Deadline deadline);
/// False when they were not suspended.
Result<bool> resume(redis::Connection& connection, Deadline deadline);
/// Tells one worker to finish its job and end. Errc::not_found; Errc::unavailable when it does not
/// listen.
Status shut_down(redis::Connection& connection, std::string_view worker, Deadline deadline);

}  // namespace call::rq
