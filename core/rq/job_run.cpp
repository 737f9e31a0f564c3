#include "core/rq/job_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/strings.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/meta.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/scripts.hpp"

namespace call::rq {
namespace {

constexpr std::string_view kUnreadable = "rq.exceptions.DeserializationError";
constexpr std::size_t kMostShownBytes = 200;

// What RQ up to 3 says of a job that may be started. Others come from a future version or from chance.
constexpr std::array<std::string_view, 8> kKnownStatuses = {
    "",         "created",   "queued",           "started",
    "deferred", "scheduled", "ready_to_enqueue", "rate_limited"};

std::string shown(std::string_view text) {
  return to_valid_utf8(truncate_utf8(text, kMostShownBytes));
}

/// Of an error's text: all lines but the last, and the last.
std::pair<std::string_view, std::string_view> split_detail(std::string_view text) {
  const auto end = text.rfind('\n');
  if (end == std::string_view::npos) return {{}, text};
  return {text.substr(0, end), text.substr(end + 1)};
}

std::string too_long(const Callback& callback) {
  return fmt::format("the callback exceeded its {} seconds", callback.timeout.count());
}

/// The last line stays the reason, which is what dashboards show.
Outcome with_failed_callback(Outcome outcome, const Callback& callback, std::string_view why) {
  outcome.text +=
      fmt::format("\nIts callback {} failed: {}\n{}\n", shown(callback.name), why, outcome.reason);
  outcome.value = encode_failure(outcome.text);
  return outcome;
}

/// job.meta, written key by key. Our own keys are kept apart from what was there, so that a function
/// that reports its progress a thousand times does not grow the field.
class MetaWriter {
 public:
  MetaWriter(redis::Connection& connection, std::string id, Serializer serializer)
      : connection_(connection), id_(std::move(id)), serializer_(serializer) {}

  Status set(std::string_view key, const Json& value) {
    const auto deadline = Deadline::after(kRedisPatience);
    CALL_CHECK(connection_.ensure_connected(deadline));
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
      CALL_TRY(const auto now,
               connection_.command(redis::cmd("HGET", keys::job(id_), "meta"), deadline));
      if (now.text != written_ || written_.empty()) {
        base_ = now.text;
        own_.clear();
      }
      own_[std::string(key)] = value;
      CALL_TRY(auto next, merge_meta(base_, own_, serializer_));
      const redis::Command words = {id_, now.text, next};
      CALL_TRY(const auto reply, connection_.run(scripts::set_meta(), {}, words, deadline));
      if (reply.integer < 0) return Error{Errc::not_found, "the job was deleted while it ran"};
      if (reply.integer == 0) continue;  // somebody else wrote in between
      written_ = std::move(next);
      return {};
    }
    return Error{Errc::conflict, "the job's meta changes all the time"};
  }

 private:
  static constexpr int kMostAttempts = 10;
  redis::Connection& connection_;
  std::string id_;
  Serializer serializer_;
  std::string base_;
  std::string written_;
  std::map<std::string, Json> own_;
};

class JobRun {
 public:
  JobRun(Crew& crew, const std::atomic<bool>& draining, std::string worker,
         redis::Connection& connection, const Assignment& assignment)
      : crew_(crew),
        draining_(draining),
        worker_(std::move(worker)),
        connection_(connection),
        assignment_(assignment),
        call_{assignment.job.function, assignment.job.serializer, {}},
        log_(crew.log.with("job", shown(assignment.job.job_id))) {}

  Outcome call_function(SlotState& state);
  Outcome call_back(SlotState& state, Outcome outcome);
  Status call_back(const Callback& callback, std::string_view event, const Json& value,
                   Deadline deadline, std::stop_token stop);

 private:
  Result<Json> call(const Function& function, const std::string& name, const Json& args,
                    const Json& kwargs, Deadline deadline, std::stop_token stop);
  Outcome judge(SlotState& state, Result<Json> result);
  Status watched_callback(SlotState& state, const Callback& callback, std::string_view event,
                          const Json& value, Outcome if_stuck);

  Crew& crew_;
  const std::atomic<bool>& draining_;
  std::string worker_;
  redis::Connection& connection_;
  const Assignment& assignment_;
  Call call_;
  log::Logger log_;
  Json result_;
  std::optional<Retry> retry_;
};

Result<Json> JobRun::call(const Function& function, const std::string& name, const Json& args,
                          const Json& kwargs, Deadline deadline, std::stop_token stop) {
  MetaWriter meta(connection_, assignment_.job.job_id, call_.serializer);
  JobContext context{.job_id = assignment_.job.job_id,
                     .queue = assignment_.job.queue,
                     .function = name,
                     .worker = worker_,
                     .args = args,
                     .kwargs = kwargs,
                     .deadline = deadline,
                     .stop = std::move(stop),
                     .draining = draining_,
                     .log = log_.with("function", shown(name)),
                     .set_meta = [&meta](std::string_view key, const Json& value) {
                       return meta.set(key, value);
                     }};
  try {
    auto result = function(context);
    retry_ = std::move(context.retry);
    return result;
  } catch (const std::exception& e) {
    return Error{Errc::internal, e.what()};
  }
}

Outcome JobRun::call_function(SlotState& state) {
  const Running& job = assignment_.job;
  if (std::find(kKnownStatuses.begin(), kKnownStatuses.end(), assignment_.status) ==
      kKnownStatuses.end())
    return failure(
        "the job", "ValueError",
        fmt::format("its status \"{}\" is none that this worker knows", shown(assignment_.status)));
  if (assignment_.data_bytes > assignment_.data.size())
    return failure(
        "the job's data", kUnreadable,
        fmt::format("{} bytes of data, the limit is {}", assignment_.data_bytes, kMaxDataBytes));
  Json args;
  Json kwargs;
  auto decoded = decode_call(assignment_.data, args, kwargs);
  if (!decoded) return failure("the job's data", kUnreadable, decoded.error().to_string());
  call_ = *std::move(decoded);
  state.running.with([&](auto& running) {
    running->function = call_.function;
    running->serializer = call_.serializer;
  });
  const Function* function = crew_.registry.find(call_.function);
  if (function == nullptr)
    return failure(shown(call_.function), "ValueError",
                   "Invalid attribute name: " + shown(call_.function));
  if (!call_.foreign.empty())
    return failure(
        call_.function, kUnreadable,
        fmt::format("the arguments hold a {}, which only Python can rebuild", call_.foreign));
  if (log_.enabled(log::Level::debug)) log_.debug("{} started on {}", call_.function, worker_);
  crew_.meters.begins(job.queue, call_.function);
  auto result = call(*function, call_.function, args, kwargs, job.deadline, job.stop.get_token());
  crew_.meters.returned(job.queue, call_.function);
  return judge(state, std::move(result));
}

Outcome JobRun::judge(SlotState& state, Result<Json> result) {
  const Running& job = assignment_.job;
  const auto reason = state.running.with([](const auto& running) { return running->reason; });
  const auto stopped = [&](StopReason why) {
    const auto detail = result ? std::string_view{} : split_detail(result.error().context).first;
    return outcome_of_stop(why, job.deadline, job.started, detail);
  };
  if (reason == StopReason::timeout || job.deadline.passed()) return stopped(StopReason::timeout);
  if (result && retry_) {
    auto outcome =
        failure(call_.function, "calld.retry",
                fmt::format("it asked for another try more than {} times", retry_->most));
    outcome.kind = "again";
    outcome.retry = retry_;
    return outcome;
  }
  if (result) {
    result_ = *std::move(result);
    return {"finished", encode_return(result_, call_.serializer)};
  }
  if (reason != StopReason::none) return stopped(reason);
  if (result.error().code == Errc::cancelled && draining_) return stopped(StopReason::draining);
  const auto [detail, message] = split_detail(result.error().context);
  return failure(call_.function, fmt::format("calld.{}", to_string(result.error().code)), message,
                 detail);
}

Status JobRun::call_back(const Callback& callback, std::string_view event, const Json& value,
                         Deadline deadline, std::stop_token stop) {
  const Function* function = crew_.registry.find(callback.name);
  if (function == nullptr) {
    log_.warn("its callback {} for {} is no function of this worker", shown(callback.name), event);
    return Error{Errc::not_found, "Invalid attribute name: " + shown(callback.name)};
  }
  const Json args = {to_valid_utf8(assignment_.job.job_id), event, value};
  const Json kwargs = Json::object();
  auto result = call(*function, callback.name, args, kwargs, deadline, stop);
  if (stop.stop_requested() || deadline.passed()) return Error{Errc::timeout, too_long(callback)};
  if (!result) log_.warn("its callback {} failed: {}", callback.name, result.error().context);
  CALL_CHECK(std::move(result));
  return {};
}

/// The beat thread watches callbacks as it does functions: their time starts afresh.
Status JobRun::watched_callback(SlotState& state, const Callback& callback, std::string_view event,
                                const Json& value, Outcome if_stuck) {
  const auto deadline = Deadline::after(callback.timeout);
  std::stop_source stop;
  state.running.with([&](auto& running) {
    running->deadline = deadline;
    running->stop = stop;
    running->reason = StopReason::none;
    running->if_stuck = std::move(if_stuck);
    if (event != "finished") running->on_failure = running->on_stopped = {};
  });
  crew_.beat_alarm.ring();
  return call_back(callback, event, value, deadline, stop.get_token());
}

Outcome JobRun::call_back(SlotState& state, Outcome outcome) {
  if (outcome.kind == "finished" && !assignment_.on_success.name.empty()) {
    const auto& callback = assignment_.on_success;
    const auto failed = [&](const Error& error) {
      const bool unknown = error.code == Errc::not_found;
      return failure(shown(callback.name),
                     unknown ? "ValueError" : fmt::format("calld.{}", to_string(error.code)),
                     split_detail(error.context).second, split_detail(error.context).first);
    };
    const auto called = watched_callback(state, callback, "finished", result_,
                                         failed({Errc::timeout, too_long(callback)}));
    const bool unknown = !called && called.error().code == Errc::not_found;
    if (!called && (!unknown || crew_.options.unknown_callbacks_fail))
      outcome = failed(called.error());
  }
  const bool failed = outcome.kind == "failed";
  const bool stopped = outcome.kind == "stopped";
  const Callback& callback = failed ? assignment_.job.on_failure : assignment_.job.on_stopped;
  if ((!failed && !stopped) || callback.name.empty()) return outcome;
  const auto called = watched_callback(state, callback, outcome.kind, to_valid_utf8(outcome.text),
                                       with_failed_callback(outcome, callback, too_long(callback)));
  return called ? outcome : with_failed_callback(outcome, callback, called.error().context);
}

}  // namespace

Outcome run_job(Crew& crew, SlotState& state, redis::Connection& connection,
                const Assignment& assignment) {
  JobRun run(crew, state.retire, state.name, connection, assignment);
  auto outcome = run.call_function(state);
  const bool settled = state.running.with([](const auto& running) { return running->settled; });
  return settled ? outcome : run.call_back(state, std::move(outcome));
}

void call_back_aside(Crew& crew, const Running& job, std::string_view end,
                     std::string failure_text) {
  const Callback& callback = end == "stopped" ? job.on_stopped : job.on_failure;
  if (callback.name.empty()) return;
  crew.hooks.run("a callback", [&crew, job, callback, end, failure_text](const auto& stop) {
    auto connection = crew.connect("hooks");
    const std::atomic<bool> draining{false};
    const Assignment assignment{job};
    JobRun run(crew, draining, "maintenance", connection, assignment);
    const auto called = run.call_back(callback, end, to_valid_utf8(failure_text),
                                      Deadline::after(callback.timeout), stop);
    if (!called) crew.log.debug("{}", called.error().to_string());
  });
}

}  // namespace call::rq
