// Jobs that a committed change needs. A row is written in the transaction of the change; whoever
// made the change pushes the job to Redis right after the commit and marks it sent; the relay
// pushes what was left. Job ids are fixed in the row, so pushing one twice enqueues it once. Losing
// Redis loses nothing: rows can be pushed again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"

namespace call::store {

/// The queue of drivers. Each of its jobs keeps its slot for `dialer.slice`.
inline constexpr std::string_view kDialQueue = "dial";
/// The jobs that changes in the store ask for, by their names in the queue.
inline constexpr std::string_view kDialListJob = "calld.dial_list";  ///< [list id], kDialQueue
inline constexpr std::string_view kEndCallJob =
    "calld.end_call";  ///< [attempt id, call SID, manner?], queue "default"
/// The manner of calld.end_call that says a sentence first: the machine may be a person.
inline constexpr std::string_view kFarewell = "farewell";

struct OutboxJob {
  std::int64_t id = 0;
  std::string queue;
  std::string function;
  std::string args_json;  ///< a JSON array
  std::string job_id;     ///< unique, [A-Za-z0-9_-]+: "dial_list-42-9f86d081884c", "end_call-CA..."
  WallTime created_at;
};

/// Oldest first, `limit` at most, made at least `older_than_ms` ago (the writer has its chance
/// first).
Result<std::vector<OutboxJob>> unsent_jobs(Connection& connection, int limit,
                                           int older_than_ms = 0);
/// Idempotent.
Status mark_sent(Connection& connection, const std::vector<std::int64_t>& ids);
/// Deletes rows that were sent more than `days` days ago; how many.
Result<std::int64_t> purge_sent_jobs(Connection& connection, int days);
/// A job of its own, for callers whose change is elsewhere (an operator's command).
Result<OutboxJob> add_job(Connection& connection, std::optional<std::int64_t> tenant_id,
                          std::string_view queue, std::string_view function,
                          std::string_view args_json);

}  // namespace call::store
