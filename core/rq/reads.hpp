// What operators ask about queues, workers and jobs, and the few things they may do to a job.
// Each is a few round trips on the caller's connection, which must be connected.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/redis/connection.hpp"

namespace call::rq {

enum class JobSet { queued, started, finished, failed, deferred, scheduled, canceled };
std::string_view to_string(JobSet set);
std::optional<JobSet> parse_job_set(std::string_view name);

struct QueueInfo {
  std::string name;
  std::int64_t queued = 0;
  std::optional<std::chrono::seconds> oldest_age;  ///< of the job at the head
  std::int64_t started = 0;
  std::int64_t finished = 0;
  std::int64_t failed = 0;
  std::int64_t deferred = 0;
  std::int64_t scheduled = 0;
  std::int64_t canceled = 0;
  std::int64_t workers = 0;
};

struct WorkerInfo {
  std::string name;
  std::string state;  ///< started, idle, busy, suspended
  std::vector<std::string> queues;
  std::string current_job;  ///< empty: none
  std::string hostname;
  std::string pid;
  std::string version;
  std::optional<WallTime> birth;
  std::optional<std::chrono::seconds> heartbeat_age;
  std::int64_t succeeded = 0;
  std::int64_t failed = 0;
};

struct JobInfo {
  std::string id;
  std::string status;
  std::string queue;
  std::string function;     ///< empty when the data is not readable; then `unreadable` says why
  std::string args_json;    ///< array text; values that JSON lacks appear as text
  std::string kwargs_json;  ///< object text
  std::string unreadable;
  std::string description;
  std::string worker;
  std::string error_text;   ///< of the newest result, for failed and stopped jobs
  std::string result_json;  ///< of the newest result, when it is plain data
  std::string meta_json;    ///< object text; empty: none, or none that can be read
  std::optional<WallTime> created_at;
  std::optional<WallTime> enqueued_at;
  std::optional<WallTime> started_at;
  std::optional<WallTime> ended_at;
  std::optional<int> timeout_seconds;
  std::optional<int> retries_left;
};

/// Sorted by name; every queue in rq:queues.
Result<std::vector<QueueInfo>> queues(redis::Connection& connection, Deadline deadline);
/// Sorted by name. Registered workers whose key is gone are left out.
Result<std::vector<WorkerInfo>> workers(redis::Connection& connection, Deadline deadline);
/// Job ids in RQ's own order, from `offset`, at most `limit`.
Result<std::vector<std::string>> job_ids(redis::Connection& connection, std::string_view queue,
                                         JobSet set, std::int64_t offset, std::int64_t limit,
                                         Deadline deadline);
/// Errc::not_found when there is no such job.
Result<JobInfo> job(redis::Connection& connection, std::string_view id, Deadline deadline);

/// Puts a failed, stopped or canceled job back into its queue. Errc::not_found, Errc::conflict.
Status requeue(redis::Connection& connection, std::string_view id, Deadline deadline);
/// A waiting job will not run (a started one is told to stop, see stop()). Errc::not_found,
/// Errc::conflict when it is started or has ended.
Status cancel(redis::Connection& connection, std::string_view id, Deadline deadline);
/// The same, and the jobs that wait for this one no longer do.
Status cancel_releasing_dependents(redis::Connection& connection, std::string_view id,
                                   Deadline deadline);
/// Deletes a job with its results and its places in queue, registries and group. Errc::not_found,
/// Errc::conflict when it is running.
Status remove(redis::Connection& connection, std::string_view id, Deadline deadline);
/// Asks the job's worker to stop it. Errc::not_found, Errc::conflict when it is not running.
Status stop(redis::Connection& connection, std::string_view id, Deadline deadline);
/// Deletes all waiting jobs of a queue: how many there were.
Result<std::int64_t> purge(redis::Connection& connection, std::string_view queue,
                           Deadline deadline);

/// No worker of any kind takes a job until resume(), or until `span` is over (0: for ever).
Status suspend(redis::Connection& connection, std::chrono::seconds span, Deadline deadline);
/// False when they were not suspended.
Result<bool> resume(redis::Connection& connection, Deadline deadline);
Result<bool> suspended(redis::Connection& connection, Deadline deadline);
/// Tells one worker to finish its job and end. Errc::not_found; Errc::unavailable when it does not
/// listen.
Status shut_down(redis::Connection& connection, std::string_view worker, Deadline deadline);

}  // namespace call::rq
