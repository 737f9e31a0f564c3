#include "core/rq/acts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/json/json.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"

namespace call::rq {
namespace {

Error no_such_job(std::string_view id) {
  return {Errc::not_found, fmt::format("there is no job {}", id)};
}

bool can_be_requeued(std::string_view status) {
  return status == "failed" || status == "stopped" || status == "canceled";
}

/// The statuses that the script says the jobs had; "" for one that does not exist.
Result<std::vector<std::string>> change(redis::Connection& connection, const redis::Script& script,
                                        std::span<const std::string> ids, std::string_view option,
                                        Deadline deadline) {
  const Stamp now = stamp();
  redis::Command words = {now.seconds, now.iso, std::string(option)};
  words.insert(words.end(), ids.begin(), ids.end());
  CALL_TRY(const auto reply, connection.run(script, {}, words, deadline));
  if (reply.items.size() != ids.size())
    return Error{Errc::protocol, fmt::format("{} with a strange answer", script.name)};
  return redis::texts(reply);
}

Result<std::string> change(redis::Connection& connection, const redis::Script& script,
                           std::string_view id, Deadline deadline, std::string_view option = {}) {
  const std::string ids[] = {std::string(id)};
  CALL_TRY(auto statuses, change(connection, script, ids, option, deadline));
  if (statuses[0].empty()) return no_such_job(id);
  return std::move(statuses[0]);
}

Status cancel_with(redis::Connection& connection, std::string_view id, std::string_view option,
                   Deadline deadline) {
  CALL_TRY(const auto status, change(connection, scripts::cancel(), id, deadline, option));
  if (status == "queued" || status == "created" || status == "deferred" || status == "scheduled")
    return {};
  return Error{Errc::conflict,
               fmt::format("job {} is {}; only waiting jobs are canceled", id, status)};
}

Status publish(redis::Connection& connection, std::string_view worker, const Json& message,
               Deadline deadline) {
  CALL_TRY(const auto heard,
           connection.command(redis::cmd("PUBLISH", keys::channel(worker), json::dump(message)),
                              deadline));
  if (heard.integer == 0)
    return Error{Errc::unavailable, fmt::format("the worker {} does not listen", worker)};
  return {};
}

}  // namespace

Status requeue(redis::Connection& connection, std::string_view id, Deadline deadline) {
  CALL_TRY(const auto status, change(connection, scripts::requeue(), id, deadline));
  if (can_be_requeued(status)) return {};
  return Error{
      Errc::conflict,
      fmt::format("job {} is {}; only failed, stopped and canceled jobs are put back", id, status)};
}

Result<std::int64_t> requeue_all(redis::Connection& connection, std::span<const std::string> ids,
                                 Deadline deadline) {
  CALL_TRY(const auto statuses, change(connection, scripts::requeue(), ids, {}, deadline));
  return std::count_if(statuses.begin(), statuses.end(), can_be_requeued);
}

Status cancel(redis::Connection& connection, std::string_view id, Deadline deadline) {
  return cancel_with(connection, id, "0", deadline);
}

Status cancel_releasing_dependents(redis::Connection& connection, std::string_view id,
                                   Deadline deadline) {
  return cancel_with(connection, id, "1", deadline);
}

Status remove(redis::Connection& connection, std::string_view id, Deadline deadline) {
  CALL_TRY(const auto status, change(connection, scripts::remove(), id, deadline));
  if (status != "started") return {};
  return Error{Errc::conflict, fmt::format("job {} is running; stop it first", id)};
}

Status stop(redis::Connection& connection, std::string_view id, Deadline deadline) {
  CALL_TRY(
      const auto reply,
      connection.command(redis::cmd("HMGET", keys::job(id), "status", "worker_name"), deadline));
  const auto values = redis::texts(reply);
  if (values.size() != 2 || values[0].empty()) return no_such_job(id);
  if (values[0] != "started" || values[1].empty())
    return Error{Errc::conflict, fmt::format("job {} is {}, not running", id, values[0])};
  const Json message = {{"command", "stop-job"}, {"job_id", std::string(id)}};
  return publish(connection, values[1], message, deadline);
}

Status suspend(redis::Connection& connection, std::chrono::seconds span, Deadline deadline) {
  auto words = redis::cmd("SET", keys::kSuspended, "1");
  if (span.count() > 0) {
    words.emplace_back("EX");
    words.push_back(std::to_string(span.count()));
  }
  CALL_CHECK(connection.command(words, deadline));
  return {};
}

Result<bool> resume(redis::Connection& connection, Deadline deadline) {
  CALL_TRY(const auto reply, connection.command(redis::cmd("DEL", keys::kSuspended), deadline));
  return reply.integer > 0;
}

Status shut_down(redis::Connection& connection, std::string_view worker, Deadline deadline) {
  CALL_TRY(const auto there,
           connection.command(redis::cmd("EXISTS", keys::worker(worker)), deadline));
  if (there.integer == 0)
    return Error{Errc::not_found, fmt::format("there is no worker {}", worker)};
  return publish(connection, worker, {{"command", "shutdown"}}, deadline);
}

Result<std::int64_t> purge(redis::Connection& connection, std::string_view queue, JobSet set,
                           std::int64_t most, Deadline deadline) {
  if (set == JobSet::started)
    return Error{Errc::invalid_argument, "started jobs are not purged: stop them"};
  const redis::Command words = {std::string(queue), std::string(to_string(set)),
                                std::to_string(most)};
  CALL_TRY(const auto reply, connection.run(scripts::purge(), {}, words, deadline));
  return reply.integer;
}

}  // namespace call::rq
