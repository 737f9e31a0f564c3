// Heartbeats of all slots, and the time limits of their jobs. A thread and a connection of its own:
// whatever a function does, its lease is kept.
#include <algorithm>
#include <utility>

#include "core/base/strings.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/job_run.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::rq {
namespace {

constexpr std::chrono::seconds kPulse{1};  // the thread shows at least so often that it lives

class Beat {
 public:
  explicit Beat(Crew& crew)
      : crew_(crew), connection_(crew.connect("beat")), pulse_(crew.options.pulses, "rq-beat") {}
  void run();

 private:
  Status beat_all();
  Status beat(SlotState& slot);
  /// The next time that something about this slot's job becomes due.
  MonoClock::time_point watch(SlotState& slot);
  void overran(SlotState& slot, const Running& job);

  Crew& crew_;
  redis::Connection connection_;
  runtime::Pulse pulse_;
};

void Beat::run() {
  auto next = MonoClock::now();
  while (!crew_.ending) {
    pulse_.beat();
    if (MonoClock::now() >= next) {
      const auto status = beat_all();
      crew_.note_redis(status);
      next = MonoClock::now() +
             (status ? crew_.options.heartbeat_every
                     : std::min<std::chrono::milliseconds>(crew_.options.heartbeat_every,
                                                           std::chrono::milliseconds(1000)));
    }
    // Who starts a job while we look rings in any case; later only when it is due before we look
    // again.
    crew_.next_beat = MonoClock::time_point::max();
    auto due = std::min(next, MonoClock::now() + kPulse);
    for (const auto& slot : crew_.slots) due = std::min(due, watch(*slot));
    crew_.next_beat = due;
    crew_.beat_alarm.wait(Deadline::at(due));
  }
}

Status Beat::beat_all() {
  CALL_CHECK(connection_.ensure_connected(Deadline::after(kRedisPatience)));
  for (const auto& slot : crew_.slots)
    if (!slot->ended) CALL_CHECK(beat(*slot));
  return {};
}

Status Beat::beat(SlotState& slot) {
  const Stamp now = stamp();
  redis::Command words = {slot.name,
                          now.seconds,
                          now.iso,
                          now.real,
                          std::to_string(crew_.options.lease.count()),
                          std::to_string(crew_.options.worker_ttl.count()),
                          join(slot.queues, ",")};
  const auto job = slot.running.with([](const auto& running) { return running; });
  if (job && !job->settled) {
    const std::chrono::duration<double> worked = MonoClock::now() - job->started;
    for (const auto& word : {job->queue, job->job_id, job->execution, job->member,
                             fmt::format("{:.6f}", worked.count())})
      words.push_back(word);
  }
  CALL_TRY(const auto reply,
           connection_.run(scripts::heartbeat(), {}, words, Deadline::after(kRedisPatience)));
  const auto& items = reply.items;
  if (items.size() != 2) return Error{Errc::protocol, "a heartbeat with a strange answer"};
  if (items[0].integer == 0) {
    crew_.log.warn("Redis no longer knew the worker {}; it is registered again", slot.name);
    CALL_CHECK(register_worker(connection_, crew_, slot));
  }
  if (items[1].integer != 1) {
    // Not news when the job was settled between the copy above and the heartbeat.
    const bool news = slot.running.with([&](auto& running) {
      return running && running->execution == job->execution && !running->settling &&
             !std::exchange(running->lease_lost, true);
    });
    const bool runs_again = items[1].integer < 0;
    if (news)
      crew_.log.with("job", to_valid_utf8(job->job_id))
          .warn("its lease is lost: {}",
                runs_again ? "it was found abandoned and runs again; this run is told to stop"
                           : "Redis lost its data, or the job counts as failed");
    if (news && runs_again) ask_to_stop(slot, StopReason::lost);
  }
  return {};
}

MonoClock::time_point Beat::watch(SlotState& slot) {
  const auto job = slot.running.with([](const auto& running) { return running; });
  if (!job || job->settling || job->settled) return MonoClock::time_point::max();
  const auto now = MonoClock::now();
  if (job->reason == StopReason::none) {
    if (now < job->deadline.point()) return job->deadline.point();
    ask_to_stop(slot, StopReason::timeout);
    return now + crew_.options.overrun_grace;
  }
  if (job->reason == StopReason::draining) return MonoClock::time_point::max();
  const auto patience_ends = job->asked + crew_.options.overrun_grace;
  if (now < patience_ends) return patience_ends;
  overran(slot, *job);
  return MonoClock::time_point::max();
}

/// The function (or a callback) ignores its stop request: its job ends without it. The thread cannot
/// be ended; the slot is lost to other jobs until the function returns.
void Beat::overran(SlotState& slot, const Running& job) {
  if (!connection_.ensure_connected(Deadline::after(kRedisPatience))) return;
  const auto outcome =
      job.if_stuck ? *job.if_stuck : outcome_of_stop(job.reason, job.deadline, job.started);
  const auto settled = settle(connection_, crew_, slot, job, outcome);
  if (!settled) return;
  if (*settled == "failed" || *settled == "retried" || *settled == "stopped")
    call_back_aside(crew_, job, outcome.kind, outcome.text);
  slot.running.with([&](auto& running) {
    if (running && running->execution == job.execution) running->settled = true;
  });
  crew_.log.with("job", job.job_id)
      .error("its function ignores the request to stop; slot {} is blocked until it returns",
             slot.name);
}

}  // namespace

void run_beat(Crew& crew) {
  runtime::name_this_thread("rq-beat");
  Beat(crew).run();
}

}  // namespace call::rq
