// What operators ask about queues, workers and jobs; what they may do to them is in acts.hpp.
// Each is a few round trips on the caller's connection, which must be connected.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
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
  double working_seconds = 0;  ///< of all its jobs that have ended
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
  std::optional<std::int64_t> timeout_seconds;
  std::optional<std::int64_t> retries_left;
  std::optional<std::int64_t> result_ttl_seconds;   ///< -1: for ever
  std::optional<std::int64_t> failure_ttl_seconds;  ///< -1: for ever
  std::vector<std::string> depends_on;
};

/// Sorted by name; every queue in rq:queues.
Result<std::vector<QueueInfo>> queues(redis::Connection& connection, Deadline deadline);
/// These queues, in this order, known or not.
Result<std::vector<QueueInfo>> queues(redis::Connection& connection,
                                      std::span<const std::string> names, Deadline deadline);
/// Sorted by name. Registered workers whose key is gone are left out.
Result<std::vector<WorkerInfo>> workers(redis::Connection& connection, Deadline deadline);
/// Job ids in RQ's own order, from `offset`, at most `limit`.
Result<std::vector<std::string>> job_ids(redis::Connection& connection, std::string_view queue,
                                         JobSet set, std::int64_t offset, std::int64_t limit,
                                         Deadline deadline);
/// Errc::not_found when there is no such job.
Result<JobInfo> job(redis::Connection& connection, std::string_view id, Deadline deadline);
/// All in one round trip, in the same order; a job that has expired has the status "expired".
/// Not more than some hundred at once: their arguments and results come with them.
Result<std::vector<JobInfo>> jobs(redis::Connection& connection, std::span<const std::string> ids,
                                  Deadline deadline);
/// Whether no worker of any kind takes a job until it is resumed.
Result<bool> suspended(redis::Connection& connection, Deadline deadline);

}  // namespace call::rq
