#include "core/rq/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/metrics/metrics.hpp"
#include "core/rq/meta.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/pickle.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kMaxIdBytes = 128;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxDescriptionBytes = 1024;
constexpr std::size_t kMaxDependencies = 1000;

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
             const Json& kwargs, const EnqueueOptions& options) {
  const auto bad_name = [](std::string_view name) {
    return name.empty() || name.size() > kMaxNameBytes || !is_valid_utf8(name);
  };
  if (bad_name(queue) || queue.find(',') != std::string_view::npos)
    return Error{Errc::invalid_argument, "a queue needs a name without commas"};
  if (bad_name(function)) return Error{Errc::invalid_argument, "a job needs a function's name"};
  if (!args.is_array() || !kwargs.is_object())
    return Error{Errc::invalid_argument, "a job's arguments are an array and an object"};
  if (options.at && !options.depends_on.empty())
    return Error{Errc::invalid_argument, "a job is either scheduled or depends on others"};
  if (options.depends_on.size() > kMaxDependencies)
    return Error{Errc::limit, fmt::format("a job depends on at most {} others", kMaxDependencies)};
  for (const auto& id : options.depends_on) CALL_CHECK(check_id(id));
  if (!options.job_id.empty()) CALL_CHECK(check_id(options.job_id));
  return {};
}

std::string seconds_text(std::chrono::seconds span) {
  return std::to_string(span.count());
}

std::string intervals_text(const std::vector<std::chrono::seconds>& intervals) {
  Json list = Json::array();
  for (const auto interval : intervals) list.push_back(interval.count());
  if (list.empty()) list.push_back(0);
  return json::dump(list);
}

/// RQ counts from the end of the list, so that the last interval repeats only in a full-length list.
std::vector<std::chrono::seconds> full_length(const EnqueueOptions& options) {
  auto list = options.retry_intervals;
  if (list.empty()) list.emplace_back(0);
  while (list.size() < static_cast<std::size_t>(options.retries)) list.push_back(list.back());
  return list;
}

/// Fields and values of the job's hash.
class Fields {
 public:
  explicit Fields(redis::Command words) : words_(std::move(words)) {}
  void add(std::string name, std::string value) {
    words_.push_back(std::move(name));
    words_.push_back(std::move(value));
  }
  redis::Command take() && { return std::move(words_); }

 private:
  redis::Command words_;
};

void add_callbacks(const EnqueueOptions& options, Fields& fields) {
  const std::pair<std::string_view, const std::string&> all[] = {
      {"success_callback", options.on_success},
      {"failure_callback", options.on_failure},
      {"stopped_callback", options.on_stopped}};
  for (const auto& [name, function] : all) {
    fields.add(fmt::format("{}_name", name), function);
    if (!function.empty())
      fields.add(fmt::format("{}_timeout", name), seconds_text(options.callback_timeout));
  }
}

Status add_meta(const EnqueueOptions& options, Fields& fields) {
  if (options.meta_json.empty()) return {};
  CALL_TRY(const auto meta, json::parse(options.meta_json, {.bytes = kMaxMetaBytes}, "the meta"));
  if (!meta.is_object()) return Error{Errc::invalid_argument, "a job's meta is an object"};
  fields.add("meta", options.serializer == Serializer::json ? json::dump(meta) : pickle(meta));
  return {};
}

Result<redis::Command> job_fields(std::string_view queue, std::string_view function,
                                  const Json& args, const Json& kwargs,
                                  const EnqueueOptions& options, const Stamp& now) {
  const std::string shown =
      options.description.empty() ? describe_call(function, args, kwargs) : options.description;
  Fields out({"created_at", now.iso, "data",
              encode_call(function, args, kwargs, options.serializer), "origin", std::string(queue),
              "description", to_valid_utf8(truncate_utf8(shown, kMaxDescriptionBytes)), "timeout",
              seconds_text(options.timeout), "result_ttl", seconds_text(options.result_ttl),
              "failure_ttl", seconds_text(options.failure_ttl)});
  for (const char* empty : {"started_at", "ended_at", "last_heartbeat", "worker_name"})
    out.add(empty, {});
  out.add("group_id", options.group);
  add_callbacks(options, out);
  CALL_CHECK(add_meta(options, out));
  if (options.ttl) out.add("ttl", seconds_text(*options.ttl));
  if (options.retries > 0) {
    out.add("retries_left", std::to_string(options.retries));
    out.add("retry_intervals", intervals_text(full_length(options)));
    if (options.front_on_retry) out.add("enqueue_at_front_on_retry", "1");
  }
  if (options.repeats > 0) {
    out.add("repeats_left", std::to_string(options.repeats));
    out.add("repeat_intervals", intervals_text(options.repeat_intervals));
  }
  if (!options.depends_on.empty()) {
    out.add("dependency_id", options.depends_on.front());
    out.add("dependency_ids", json::dump(Json(options.depends_on)));
    out.add("allow_dependency_failures", options.allow_dependency_failures ? "1" : "0");
  }
  return std::move(out).take();
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
  CALL_CHECK(check(queue, function, args, kwargs, options));
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
                          options.ttl ? seconds_text(*options.ttl) : std::string(),
                          options.group,
                          std::to_string(options.depends_on.size())};
  words.insert(words.end(), options.depends_on.begin(), options.depends_on.end());
  CALL_TRY(auto fields, job_fields(queue, function, args, kwargs, options, now));
  std::move(fields.begin(), fields.end(), std::back_inserter(words));

  CALL_CHECK(connection_.ensure_connected(deadline));
  CALL_TRY(const auto reply, connection_.run(scripts::enqueue(), {}, words, deadline));
  if (reply.integer < 0)
    return Error{Errc::conflict, fmt::format("the job {} is running; it is not overwritten", id)};
  if (metrics_ != nullptr && reply.integer == 1)
    metrics_
        ->counter("calld_rq_jobs_enqueued_total", "Jobs put into queues",
                  {{"queue", std::string(queue)}})
        .add();
  return Enqueued{id, reply.integer == 1};
}

}  // namespace call::rq
