// One job: what it is, and what an operator may do to it.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json/json.hpp"
#include "core/rq/job_hash.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/meta.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/reads.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"

namespace call::rq {
namespace {

constexpr int kPurgeAtOnce = 500;

Error no_such_job(std::string_view id) {
  return {Errc::not_found, fmt::format("there is no job {}", id)};
}

/// Bytes have no form in JSON text: people see their number.
Json printable(const Json& value) {
  if (value.is_binary()) return fmt::format("<{} bytes>", value.get_binary().size());
  if (!value.is_structured()) return value;
  Json out = value;
  for (auto& item : out) item = printable(item);
  return out;
}

void read_data(const std::string& data, JobInfo& info) {
  Json args;
  Json kwargs;
  const auto call = decode_call(data, args, kwargs);
  if (!call) {
    info.unreadable = call.error().context;
    return;
  }
  info.function = call->function;
  info.args_json = json::dump(printable(args));
  info.kwargs_json = json::dump(printable(kwargs));
}

void read_result(const Fields& result, JobInfo& info) {
  if (auto text = decode_failure(raw_field(result, "exc_string"))) info.error_text = *text;
  const auto& value = raw_field(result, "return_value");
  if (value.empty()) {
    if (raw_field(result, "type") == "1") info.result_json = "null";
  } else if (const auto decoded = decode_return(value)) {
    info.result_json = json::dump(printable(*decoded));
  }
}

/// The status that the script says the job had.
Result<std::string> change(redis::Connection& connection, const redis::Script& script,
                           std::string_view id, Deadline deadline, std::string_view option = {}) {
  const Stamp now = stamp();
  const redis::Command words = {std::string(id), now.seconds, now.iso, std::string(option)};
  CALL_TRY(auto reply, connection.run(script, {}, words, deadline));
  if (reply.text.empty()) return no_such_job(id);
  return std::move(reply.text);
}

}  // namespace

Result<JobInfo> job(redis::Connection& connection, std::string_view id, Deadline deadline) {
  const std::array commands = {redis::cmd("HGETALL", keys::job(id)),
                               redis::cmd("XREVRANGE", keys::results(id), "+", "-", "COUNT", "1")};
  CALL_TRY(const auto replies, connection.pipeline(commands, deadline));
  const auto fields = read_fields(replies[0]);
  if (fields.empty()) return no_such_job(id);

  JobInfo info;
  info.id = id;
  info.status = text_field(fields, "status");
  info.queue = text_field(fields, "origin");
  info.description = text_field(fields, "description");
  info.worker = text_field(fields, "worker_name");
  info.created_at = time_field(fields, "created_at");
  info.enqueued_at = time_field(fields, "enqueued_at");
  info.started_at = time_field(fields, "started_at");
  info.ended_at = time_field(fields, "ended_at");
  if (const auto timeout = number_field(fields, "timeout"))
    info.timeout_seconds = static_cast<int>(*timeout);
  if (const auto left = number_field(fields, "retries_left"))
    info.retries_left = static_cast<int>(*left);
  read_data(raw_field(fields, "data"), info);
  const auto meta = decode_meta(raw_field(fields, "meta"));
  if (meta && !meta->empty()) info.meta_json = json::dump(printable(*meta));
  const auto& newest = replies[1].items;
  if (!newest.empty() && newest[0].items.size() == 2)
    read_result(read_fields(newest[0].items[1]), info);
  return info;
}

Status requeue(redis::Connection& connection, std::string_view id, Deadline deadline) {
  CALL_TRY(const auto status, change(connection, scripts::requeue(), id, deadline));
  if (status == "failed" || status == "stopped" || status == "canceled") return {};
  return Error{
      Errc::conflict,
      fmt::format("job {} is {}; only failed, stopped and canceled jobs are put back", id, status)};
}

namespace {

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

Result<bool> suspended(redis::Connection& connection, Deadline deadline) {
  CALL_TRY(const auto reply, connection.command(redis::cmd("EXISTS", keys::kSuspended), deadline));
  return reply.integer > 0;
}

Status shut_down(redis::Connection& connection, std::string_view worker, Deadline deadline) {
  CALL_TRY(const auto there,
           connection.command(redis::cmd("EXISTS", keys::worker(worker)), deadline));
  if (there.integer == 0)
    return Error{Errc::not_found, fmt::format("there is no worker {}", worker)};
  return publish(connection, worker, {{"command", "shutdown"}}, deadline);
}

Result<std::int64_t> purge(redis::Connection& connection, std::string_view queue,
                           Deadline deadline) {
  std::int64_t total = 0;
  while (true) {
    const redis::Command words = {std::string(queue), std::to_string(kPurgeAtOnce)};
    CALL_TRY(const auto reply, connection.run(scripts::purge(), {}, words, deadline));
    total += reply.integer;
    if (reply.integer < kPurgeAtOnce) return total;
  }
}

}  // namespace call::rq
