// How jobs end: the texts that people see, and the call of the finish script.
#include <fmt/format.h>

#include <chrono>

#include "core/rq/crew.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"

namespace call::rq {

Outcome failure(std::string_view function, std::string_view type, std::string_view message) {
  // Shaped like a Python traceback: dashboards show the last line, which names the kind.
  std::string reason = fmt::format("{}: {}", type, message);
  const std::string text = fmt::format(
      "Traceback (most recent call last):\n  File \"calld\", in {}\n{}\n", function, reason);
  return {"failed", encode_failure(text), std::move(reason)};
}

Outcome outcome_of_stop(StopReason reason, Deadline deadline, MonoClock::time_point started) {
  switch (reason) {
    case StopReason::stopped: {
      const std::string text = "Job stopped by user, work-horse terminated.";
      return {"stopped", encode_failure(text), text};
    }
    case StopReason::killed: {
      const std::string text = "Work-horse terminated unexpectedly; killed by command";
      return {"failed", encode_failure(text), text};
    }
    case StopReason::draining:
      return {"requeued", {}, "the worker ends"};
    case StopReason::none:
    case StopReason::timeout:
      break;
  }
  const auto limit = std::chrono::round<std::chrono::seconds>(deadline.point() - started);
  return failure("the worker", "rq.timeouts.JobTimeoutException",
                 fmt::format("Task exceeded maximum timeout value ({} seconds)", limit.count()));
}

Result<std::string> settle(redis::Connection& connection, const Crew& crew, const SlotState& slot,
                           const Running& job, const Outcome& outcome) {
  const Stamp now = stamp();
  const std::chrono::duration<double> worked = MonoClock::now() - job.started;
  const redis::Command words = {slot.name,
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
                                now.real};
  CALL_TRY(auto reply,
           connection.run(scripts::finish(), {}, words, Deadline::after(kRedisPatience)));
  crew.meters.ended(job.queue, reply.text, worked.count());
  const auto log = crew.log.with("job", job.job_id).with("worker", slot.name);
  if (reply.text == "settled" || reply.text == "gone") {
    log.warn("ended as {}, but it was {} meanwhile", outcome.kind,
             reply.text == "gone" ? "deleted" : "settled by others");
  } else if (outcome.kind == "failed") {
    log.warn("{} after {:.3f} s: {}", reply.text, worked.count(), outcome.reason);
  } else {
    log.debug("{} after {:.3f} s", reply.text, worked.count());
  }
  return std::move(reply.text);
}

}  // namespace call::rq
