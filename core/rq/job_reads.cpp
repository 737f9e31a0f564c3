// Jobs as operators see them.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "core/json/json.hpp"
#include "core/rq/job_hash.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/meta.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/reads.hpp"

namespace call::rq {
namespace {

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

redis::Command newest_result(std::string_view id) {
  return redis::cmd("XREVRANGE", keys::results(id), "+", "-", "COUNT", "1");
}

std::vector<std::string> read_parents(const Fields& fields) {
  std::vector<std::string> out;
  const auto parents = json::parse(raw_field(fields, "dependency_ids"), {}, "dependency_ids");
  if (!parents || !parents->is_array()) return out;
  for (const auto& parent : *parents)
    if (parent.is_string()) out.push_back(parent.get<std::string>());
  return out;
}

}  // namespace

JobInfo read_job(std::string_view id, const Fields& fields, const redis::Reply& results) {
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
  info.timeout_seconds = number_field(fields, "timeout");
  info.retries_left = number_field(fields, "retries_left");
  info.result_ttl_seconds = number_field(fields, "result_ttl");
  info.failure_ttl_seconds = number_field(fields, "failure_ttl");
  info.depends_on = read_parents(fields);
  read_data(raw_field(fields, "data"), info);
  const auto meta = decode_meta(raw_field(fields, "meta"));
  if (meta && !meta->empty()) info.meta_json = json::dump(printable(*meta));
  if (!results.items.empty() && results.items[0].items.size() == 2)
    read_result(read_fields(results.items[0].items[1]), info);
  return info;
}

Result<JobInfo> job(redis::Connection& connection, std::string_view id, Deadline deadline) {
  const std::array commands = {redis::cmd("HGETALL", keys::job(id)), newest_result(id)};
  CALL_TRY(const auto replies, connection.pipeline(commands, deadline));
  const auto fields = read_fields(replies[0]);
  if (fields.empty()) return Error{Errc::not_found, fmt::format("there is no job {}", id)};
  return read_job(id, fields, replies[1]);
}

Result<std::vector<JobInfo>> jobs(redis::Connection& connection, std::span<const std::string> ids,
                                  Deadline deadline) {
  std::vector<redis::Command> commands;
  for (const auto& id : ids) {
    commands.push_back(redis::cmd("HGETALL", keys::job(id)));
    commands.push_back(newest_result(id));
  }
  CALL_TRY(const auto replies, connection.pipeline(commands, deadline));
  std::vector<JobInfo> out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto fields = read_fields(replies[2 * i]);
    out.push_back(read_job(ids[i], fields, replies[2 * i + 1]));
    if (fields.empty()) out.back().status = "expired";
  }
  return out;
}

}  // namespace call::rq
