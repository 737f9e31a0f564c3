// One slot: take a job, run it, and with its end take the next one. Runs on its own thread with its
// own connection; while a function runs, run_beat() keeps its lease and watches its time.
//
// Settling a job and claiming the next one is a single step in Redis (scripts::turn), so that a busy
// slot pays one round trip a job. It may be repeated after a lost answer: the end is recognised, and
// the claim gives the same job again.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/job_run.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::rq {
namespace {

constexpr std::chrono::milliseconds kPollEvery{1000};  // should a doorbell be missed
constexpr int kMostRefusals = 20;      // of one outcome: Redis may be loading or full for a while
constexpr std::size_t kJobItems = 17;  // in the answer of a claim, as read_job() takes them apart

/// A job whose end is not written yet.
struct Ending {
  Running job;
  Outcome outcome;
  int tries = 0;
  int refusals = 0;
};

struct Turn {
  enum class Kind { none, job, empty, suspended, more };
  Kind kind = Kind::none;
  std::string end;  ///< what the settled job came to
  Assignment next;
};

class Slot {
 public:
  Slot(Crew& crew, SlotState& state)
      : crew_(crew), state_(state), connection_(crew.connect(state.name)) {}

  void run();

 private:
  Result<Turn> turn(bool claiming);
  redis::Command claiming_words();
  Result<Turn> read_turn(const redis::Reply& reply);
  Assignment read_job(const redis::Reply& answer);
  void note_dropped(const redis::Reply& dropped);
  void follow(Turn turn);
  void rest(bool suspended);
  void work(Assignment next);
  void lost_redis(const Error& error);
  bool give_up(const Error& error);

  Crew& crew_;
  SlotState& state_;
  redis::Connection connection_;
  Backoff backoff_;
  std::optional<Ending> ending_;
  /// Of the claim under way: the same until it is answered. Not empty at the end of the slot's work
  /// means that Redis may have given us a job that we never heard of.
  std::string execution_;
  bool shown_suspended_ = false;  ///< the state that others see, unless a job has changed it
  bool others_first_ = false;     ///< the last job was a long one
  bool over_ = false;
};

void Slot::run() {
  while (!over_ && (!state_.retire || ending_ || !execution_.empty())) {
    auto next = turn(!state_.retire || !execution_.empty());
    if (next) {
      backoff_.reset();
      follow(*std::move(next));
    } else {
      lost_redis(next.error());
    }
  }
  state_.running.with([](auto& running) { running.reset(); });
  state_.ended = true;
  if (const auto status = sign_off(connection_, state_); !status)
    crew_.log.debug("worker {} could not sign off: {}", state_.name, status.error().to_string());
  crew_.main_alarm.ring();
}

redis::Command Slot::claiming_words() {
  if (execution_.empty()) execution_ = random_hex(16);
  const Stamp now = stamp();
  const auto& options = crew_.options;
  redis::Command words = {state_.name,
                          execution_,
                          now.seconds,
                          now.iso,
                          now.real,
                          std::to_string(options.lease.count()),
                          std::to_string(options.worker_ttl.count()),
                          crew_.composite ? "1" : "0",
                          std::to_string(kMaxDataBytes)};
  auto queues = state_.queues;
  // A long job may have enqueued the next one before it ended: the others would never have a turn.
  if (others_first_ && std::erase(queues, options.long_queue) > 0)
    queues.push_back(options.long_queue);
  words.insert(words.end(), queues.begin(), queues.end());
  return words;
}

Result<Turn> Slot::turn(bool claiming) {
  const auto deadline = Deadline::after(kRedisPatience);
  auto connected = connection_.ensure_connected(deadline);
  crew_.note_redis(connected);
  CALL_CHECK(std::move(connected));

  redis::Command words;
  if (ending_) {
    words = settling_words(crew_, state_, ending_->job, ending_->outcome);
    ++ending_->tries;
  }
  words.insert(words.begin(), std::to_string(words.size()));
  if (claiming)
    for (auto& word : claiming_words()) words.push_back(std::move(word));
  const auto asked = MonoClock::now();
  auto reply = connection_.run(scripts::turn(), {}, words, deadline);
  if (!reply) {
    // Refused as a whole, so there is no claim to hear of.
    if (reply.error().code == Errc::protocol && connection_.connected()) execution_.clear();
    return std::move(reply).error();
  }
  CALL_TRY(auto turn, read_turn(*reply));
  // After a long sleep (SIGSTOP, a frozen machine) the lease may be over and the job somebody
  // else's: asked again with the same execution, Redis says whether it still is ours.
  const auto fresh = crew_.options.lease - 2 * crew_.options.heartbeat_every;
  if (turn.kind == Turn::Kind::job && MonoClock::now() - asked > fresh) {
    execution_ = turn.next.job.execution;
    turn.kind = Turn::Kind::more;
  }
  return turn;
}

Result<Turn> Slot::read_turn(const redis::Reply& reply) {
  if (reply.items.empty()) return Error{Errc::protocol, "a claim with a strange answer"};
  Turn turn;
  turn.end = reply.items[0].text;
  if (ending_) {
    const bool heard_late = ending_->tries > 1 && turn.end == "settled";
    if (!heard_late) note_end(crew_, state_, ending_->job, ending_->outcome, turn.end);
    ending_.reset();
    state_.running.with([](auto& running) { running.reset(); });
  }
  if (reply.items.size() < 2) return turn;
  const auto execution = std::exchange(execution_, {});
  const auto& answer = reply.items[1].items;
  if (answer.size() < 2) return Error{Errc::protocol, "a claim with a strange answer"};
  note_dropped(answer[1]);
  const std::string& kind = answer[0].text;
  if (kind == "error")
    return Error{Errc::protocol, fmt::format("Redis refused claiming a job: {}",
                                             answer.size() > 2 ? answer[2].text : "")};
  if (kind == "suspended") turn.kind = Turn::Kind::suspended;
  if (kind == "empty") turn.kind = Turn::Kind::empty;
  if (kind == "more") turn.kind = Turn::Kind::more;
  if (kind == "job" && answer.size() == kJobItems) {
    turn.kind = Turn::Kind::job;
    turn.next = read_job(reply.items[1]);
    turn.next.job.execution = execution;
  }
  return turn;
}

Assignment Slot::read_job(const redis::Reply& answer) {
  const auto text = [&](std::size_t i) -> const std::string& { return answer.items[i].text; };
  const auto callback = [&](std::size_t i) {
    const auto seconds = parse_number<std::int64_t>(text(i + 1)).value_or(60);
    return Callback{text(i), std::chrono::seconds(std::clamp<std::int64_t>(seconds, 1, 86400))};
  };
  Assignment next;
  Running& job = next.job;
  job.queue = text(2);
  job.job_id = text(3);
  job.member = text(4);
  next.data_bytes = static_cast<std::size_t>(answer.items[5].integer);
  next.data = text(6);
  next.status = text(7);
  job.enqueued_at = text(9);
  job.webhooks = text(10);
  next.on_success = callback(11);
  job.on_failure = callback(13);
  job.on_stopped = callback(15);
  job.since = wall_now();
  job.started = MonoClock::now();
  constexpr std::chrono::seconds kLongest = std::chrono::hours(24 * 365);
  auto timeout = crew_.options.default_timeout;
  if (const auto number = parse_number<std::int64_t>(text(8)))
    timeout = std::chrono::seconds(*number);
  if (timeout.count() > 0 && timeout < kLongest) job.deadline = Deadline::at(job.started + timeout);
  return next;
}

void Slot::note_dropped(const redis::Reply& dropped) {
  for (std::size_t i = 0; i + 1 < dropped.items.size(); i += 2)
    crew_.log.with("job", to_valid_utf8(dropped.items[i].text))
        .info("left out of its queue: {}", to_valid_utf8(dropped.items[i + 1].text));
}

void Slot::follow(Turn turn) {
  switch (turn.kind) {
    case Turn::Kind::none:
    case Turn::Kind::more:
      return;
    case Turn::Kind::job:
      return work(std::move(turn.next));
    case Turn::Kind::empty:
    case Turn::Kind::suspended:
      if (crew_.options.burst) {
        over_ = true;
      } else if (!state_.retire) {
        rest(turn.kind == Turn::Kind::suspended);
      }
      return;
  }
}

void Slot::rest(bool suspended) {
  if (suspended != shown_suspended_) {
    const auto words =
        redis::cmd("HSET", keys::worker(state_.name), "state", suspended ? "suspended" : "idle");
    if (connection_.command(words, Deadline::after(kRedisPatience))) shown_suspended_ = suspended;
  }
  if (suspended) return crew_.doorbell.pause(Deadline::after(kPollEvery));
  crew_.doorbell.wait(Deadline::after(kPollEvery), state_.spared);
}

void Slot::work(Assignment next) {
  shown_suspended_ = false;
  if (state_.retire) {
    // The answer of a claim that was repeated while the worker began to end.
    ending_ = Ending{std::move(next.job), {"requeued", {}, "the worker ends"}};
    return;
  }
  others_first_ = next.job.queue == crew_.options.long_queue;
  crew_.meters.claimed(next.job.queue);
  state_.running.with([&](auto& running) { running = next.job; });
  if (next.job.deadline.point() < crew_.next_beat.load()) crew_.beat_alarm.ring();
  auto outcome = run_job(crew_, state_, connection_, next);
  auto job = state_.running.with([](auto& running) {
    running->settling = true;
    return *running;
  });
  if (!job.settled) {
    ending_ = Ending{std::move(job), std::move(outcome)};
    return;
  }
  state_.running.with([](auto& running) { running.reset(); });
}

/// The outcome is written however long Redis is away, unless the process must end: then the lease
/// runs out and the job counts as abandoned.
bool Slot::give_up(const Error& error) {
  if (crew_.give_up || crew_.options.burst) return true;
  if (!ending_ || error.code != Errc::protocol) return false;
  return ++ending_->refusals >= kMostRefusals;
}

void Slot::lost_redis(const Error& error) {
  crew_.note_redis(error);
  if (give_up(error)) {
    if (ending_)
      crew_.log.with("job", to_valid_utf8(ending_->job.job_id))
          .error("it ended as {}, which could not be written: {}", ending_->outcome.kind,
                 error.to_string());
    ending_.reset();
    state_.running.with([](auto& running) { running.reset(); });
    if (crew_.give_up) over_ = true;
  }
  if (crew_.options.burst) {
    crew_.burst_error.with([&](auto& first) {
      if (!first) first = error;
    });
    over_ = true;
    return;
  }
  if (!over_) crew_.doorbell.pause(Deadline::after(backoff_.next()));
}

}  // namespace

void run_slot(Crew& crew, SlotState& slot) {
  runtime::name_this_thread(fmt::format("job-{}", slot.number));
  Slot(crew, slot).run();
}

}  // namespace call::rq
