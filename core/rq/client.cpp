#include "core/rq/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/metrics/metrics.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxDescriptionBytes = 1024;

Status check_id(std::string_view id) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  };
  if (!id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), allowed))
    return {};
  return Error{Errc::invalid_argument,
               fmt::format("the job id \"{}\" is not 1 to {} of letters, digits, _ and -",
                           truncate_utf8(to_valid_utf8(id), kMaxIdBytes), kMaxIdBytes)};
}

Status check(std::string_view queue, std::string_view function, const Json& args,
             const Json& kwargs) {
  const auto bad_name = [](std::string_view name) {
    return name.empty() || name.size() > kMaxNameBytes || !is_valid_utf8(name);
  };
  if (bad_name(queue) || queue.find(',') != std::string_view::npos)
    return Error{Errc::invalid_argument, "a queue needs a name without commas"};
  if (bad_name(function)) return Error{Errc::invalid_argument, "a job needs a function's name"};
  if (!args.is_array() || !kwargs.is_object())
    return Error{Errc::invalid_argument, "a job's arguments are an array and an object"};
  return {};
}

std::string seconds_text(std::chrono::seconds span) {
  return std::to_string(span.count());
}

std::string intervals_text(const EnqueueOptions& options) {
  Json list = Json::array();
  for (const auto interval : options.retry_intervals) list.push_back(interval.count());
  if (list.empty()) list.push_back(0);
  // RQ counts from the end of the list, so that the last interval repeats only in a full-length list.
  while (list.size() < static_cast<std::size_t>(options.retries)) list.push_back(list.back());
  return json::dump(list);
}

redis::Command job_fields(std::string_view queue, std::string_view function, const Json& args,
                          const Json& kwargs, const EnqueueOptions& options, const Stamp& now) {
  const std::string shown =
      options.description.empty() ? describe_call(function, args, kwargs) : options.description;
  redis::Command out = {"created_at",  now.iso,
                        "data",        encode_call(function, args, kwargs),
                        "origin",      std::string(queue),
                        "description", to_valid_utf8(truncate_utf8(shown, kMaxDescriptionBytes)),
                        "timeout",     seconds_text(options.timeout),
                        "result_ttl",  seconds_text(options.result_ttl),
                        "failure_ttl", seconds_text(options.failure_ttl)};
  for (const char* empty :
       {"success_callback_name", "failure_callback_name", "stopped_callback_name", "started_at",
        "ended_at", "last_heartbeat", "worker_name", "group_id"}) {
    out.emplace_back(empty);
    out.emplace_back();
  }
  const auto add = [&](std::string name, std::string value) {
    out.push_back(std::move(name));
    out.push_back(std::move(value));
  };
  if (options.ttl) add("ttl", seconds_text(*options.ttl));
  if (options.retries > 0) {
    add("retries_left", std::to_string(options.retries));
    add("retry_intervals", intervals_text(options));
  }
  return out;
}

}  // namespace

Client::Client(redis::Endpoint endpoint) : connection_(std::move(endpoint), "calld-client") {}

Client::Client(redis::Endpoint endpoint, metrics::Registry& metrics)
    : connection_(std::move(endpoint), "calld-client"), metrics_(&metrics) {}

Result<redis::Connection*> Client::connection(Deadline deadline) {
  CALL_CHECK(connection_.ensure_connected(deadline));
  return &connection_;
}

Result<Enqueued> Client::enqueue(std::string_view queue, std::string_view function,
                                 const Json& args, const EnqueueOptions& options,
                                 Deadline deadline) {
  return enqueue(queue, function, args, Json::object(), options, deadline);
}

Result<Enqueued> Client::enqueue(std::string_view queue, std::string_view function,
                                 const Json& args, const Json& kwargs,
                                 const EnqueueOptions& options, Deadline deadline) {
  CALL_CHECK(check(queue, function, args, kwargs));
  if (!options.job_id.empty()) CALL_CHECK(check_id(options.job_id));
  const std::string id = options.job_id.empty() ? random_uuid() : options.job_id;
  const Stamp now = stamp();
  const std::string due =
      options.at
          ? std::to_string(
                std::chrono::ceil<std::chrono::seconds>(*options.at).time_since_epoch().count())
          : std::string();

  redis::Command words = {id,
                          std::string(queue),
                          now.seconds,
                          now.iso,
                          options.unique ? "1" : "0",
                          options.at_front ? "1" : "0",
                          due,
                          options.ttl ? seconds_text(*options.ttl) : std::string()};
  for (auto& word : job_fields(queue, function, args, kwargs, options, now))
    words.push_back(std::move(word));

  CALL_CHECK(connection_.ensure_connected(deadline));
  CALL_TRY(const auto reply, connection_.run(scripts::enqueue(), {}, words, deadline));
  if (metrics_ != nullptr && reply.integer == 1)
    metrics_
        ->counter("calld_rq_jobs_enqueued_total", "Jobs put into queues",
                  {{"queue", std::string(queue)}})
        .add();
  return Enqueued{id, reply.integer == 1};
}

}  // namespace call::rq
