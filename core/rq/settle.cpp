// How jobs end: the texts that people see, and the words for the step that settles a job in Redis.
#include <fmt/format.h>

#include <chrono>

#include "core/base/strings.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"

namespace call::rq {
namespace {

Outcome ended_with_text(std::string_view kind, std::string text, std::string reason) {
  return {kind, encode_failure(text), std::move(reason), std::move(text)};
}

/// RQ's own line where a traceback has more, with what the function had to say above it.
std::string with_detail(std::string_view detail, std::string_view line) {
  return detail.empty() ? std::string(line) : fmt::format("{}\n{}", detail, line);
}

std::string intervals_json(const Retry& retry) {
  std::string out = "[";
  for (const auto span : retry.intervals)
    out += fmt::format("{}{}", out.size() > 1 ? "," : "", span.count());
  return out + "]";
}

}  // namespace

Outcome failure(std::string_view function, std::string_view type, std::string_view message,
                std::string_view detail) {
  std::string reason = fmt::format("{}: {}", type, message);
  std::string text =
      fmt::format("Traceback (most recent call last):\n  File \"calld\", in {}\n{}\n",
                  to_valid_utf8(function), with_detail(detail, reason));
  return ended_with_text("failed", std::move(text), std::move(reason));
}

Outcome outcome_of_stop(StopReason reason, Deadline deadline, MonoClock::time_point started,
                        std::string_view detail) {
  switch (reason) {
    case StopReason::stopped: {
      const std::string line = "Job stopped by user, work-horse terminated.";
      return ended_with_text("stopped", with_detail(detail, line), line);
    }
    case StopReason::killed: {
      const std::string line = "Work-horse terminated unexpectedly; killed by command";
      return ended_with_text("failed", with_detail(detail, line), line);
    }
    case StopReason::draining:
      return {"requeued", {}, "the worker ends"};
    case StopReason::lost:  // which changes nothing: the job is no longer this run's
      return {"requeued", {}, "others run it"};
    case StopReason::none:
    case StopReason::timeout:
      break;
  }
  const auto limit = std::chrono::round<std::chrono::seconds>(deadline.point() - started);
  return failure("the worker", "rq.timeouts.JobTimeoutException",
                 fmt::format("Task exceeded maximum timeout value ({} seconds)", limit.count()),
                 detail);
}

redis::Command settling_words(const Crew& crew, const SlotState& slot, const Running& job,
                              const Outcome& outcome) {
  const Stamp now = stamp();
  const std::chrono::duration<double> worked = MonoClock::now() - job.started;
  const Retry retry = outcome.retry.value_or(Retry{});
  return {slot.name,
          job.execution,
          job.queue,
          job.job_id,
          job.member,
          now.seconds,
          now.iso,
          std::string(outcome.kind),
          outcome.value,
          std::to_string(crew.options.default_result_ttl.count()),
          fmt::format("{:.6f}", worked.count()),
          stamp(job.since).real,
          now.real,
          std::to_string(retry.most),
          intervals_json(retry),
          retry.at_front ? "1" : "0",
          std::to_string(crew.newest_result.load())};
}

void note_end(Crew& crew, const SlotState& slot, const Running& job, const Outcome& outcome,
              std::string_view end) {
  const std::chrono::duration<double> worked = MonoClock::now() - job.started;
  crew.meters.ended(job.queue, job.function, end, worked.count());
  const bool strange = end == "settled" || end == "gone";
  if (strange || outcome.kind == "failed" || crew.log.enabled(log::Level::debug)) {
    const auto log = crew.log.with("job", to_valid_utf8(job.job_id)).with("worker", slot.name);
    if (strange) {
      log.warn("ended as {}, but it was {} meanwhile", outcome.kind,
               end == "gone" ? "deleted" : "settled by others");
    } else if (outcome.kind == "failed") {
      log.warn("{} after {:.3f} s: {}", end, worked.count(), outcome.reason);
    } else {
      log.debug("{} after {:.3f} s", end, worked.count());
    }
  }
  if (job.webhooks.empty() || !crew.options.webhooks) return;
  const std::string_view status = end == "finished" ? "finished" : end == "failed" ? "failed" : "";
  if (status.empty()) return;
  crew.hooks.send(job.webhooks,
                  {job.job_id, job.function, status, job.enqueued_at, stamp().iso, outcome.text});
}

Result<std::string> settle(redis::Connection& connection, Crew& crew, const SlotState& slot,
                           const Running& job, const Outcome& outcome) {
  redis::Command words = settling_words(crew, slot, job, outcome);
  words.insert(words.begin(), std::to_string(words.size()));
  CALL_TRY(const auto reply,
           connection.run(scripts::turn(), {}, words, Deadline::after(kRedisPatience)));
  if (reply.items.empty()) return Error{Errc::protocol, "settling a job with a strange answer"};
  note_end(crew, slot, job, outcome, reply.items[0].text);
  return reply.items[0].text;
}

}  // namespace call::rq
