// One slot: claim, run, settle, again. Runs on its own thread with its own connection; while a
// function runs, run_beat() keeps its lease and watches its time.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/rq/crew.hpp"
#include "core/rq/keys.hpp"
#include "core/rq/payload.hpp"
#include "core/rq/scripts.hpp"
#include "core/rq/stamp.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::rq {
namespace {

constexpr std::chrono::milliseconds kPollEvery{1000};  // should a doorbell be missed
constexpr int kMostRefusals = 20;  // of one outcome: Redis may be loading or full for a while

struct Claim {
  enum class Kind { job, empty, suspended };
  Kind kind = Kind::empty;
  Running job;
  std::string data;
};

class Slot {
 public:
  Slot(Crew& crew, SlotState& state)
      : crew_(crew), state_(state), connection_(crew.connect(state.name)) {}

  void run();

 private:
  Result<Claim> claim();
  Claim read_claim(const redis::Reply& reply);
  bool after_empty(Claim::Kind kind);
  void lost_redis(const Error& error);
  void work(Claim claim);
  Outcome call_function(const Claim& claim);
  Outcome judge(Result<Json> result, const Claim& claim, const Call& call);
  void settle_surely(const Outcome& outcome);

  Crew& crew_;
  SlotState& state_;
  redis::Connection connection_;
  Backoff backoff_;
  std::string execution_;  // of the claim under way: the same until it is answered
};

void Slot::run() {
  while (!state_.retire) {
    auto next = claim();
    if (!next) {
      lost_redis(next.error());
      continue;
    }
    backoff_.reset();
    if (next->kind == Claim::Kind::job) {
      work(*std::move(next));
    } else if (!after_empty(next->kind)) {
      break;
    }
  }
  state_.ended = true;
  if (const auto status = sign_off(connection_, crew_, state_); !status)
    crew_.log.debug("worker {} could not sign off: {}", state_.name, status.error().to_string());
  crew_.main_alarm.ring();
}

Result<Claim> Slot::claim() {
  if (execution_.empty()) execution_ = random_hex(16);
  const auto deadline = Deadline::after(kRedisPatience);
  auto connected = connection_.ensure_connected(deadline);
  crew_.note_redis(connected);
  CALL_CHECK(std::move(connected));

  const Stamp now = stamp();
  const auto& options = crew_.options;
  redis::Command words = {state_.name,
                          execution_,
                          now.seconds,
                          now.iso,
                          now.real,
                          std::to_string(options.lease.count()),
                          std::to_string(options.worker_ttl.count()),
                          crew_.composite ? "1" : "0"};
  words.insert(words.end(), options.queues.begin(), options.queues.end());
  CALL_TRY(const auto reply, connection_.run(scripts::claim(), {}, words, deadline));
  auto claim = read_claim(reply);
  execution_.clear();
  return claim;
}

Claim Slot::read_claim(const redis::Reply& reply) {
  Claim claim;
  if (reply.items.empty() || reply.items[0].text == "empty") return claim;
  if (reply.items[0].text == "suspended" || reply.items.size() < 5) {
    claim.kind = Claim::Kind::suspended;
    return claim;
  }
  claim.kind = Claim::Kind::job;
  Running& job = claim.job;
  job.queue = reply.items[1].text;
  job.job_id = reply.items[2].text;
  job.member = reply.items[3].text;
  job.execution = execution_;
  job.since = wall_now();
  job.started = MonoClock::now();
  auto timeout = crew_.options.default_timeout;
  const auto& hash = reply.items[4].items;
  for (std::size_t i = 0; i + 1 < hash.size(); i += 2) {
    if (hash[i].text == "data") claim.data = hash[i + 1].text;
    if (hash[i].text != "timeout") continue;
    if (const auto number = parse_number<std::int64_t>(hash[i + 1].text))
      timeout = std::chrono::seconds(*number);
  }
  constexpr std::chrono::seconds kLongest = std::chrono::hours(24 * 365);
  if (timeout.count() > 0 && timeout < kLongest) job.deadline = Deadline::at(job.started + timeout);
  return claim;
}

/// False: the slot's work is over.
bool Slot::after_empty(Claim::Kind kind) {
  if (crew_.options.burst) return false;
  if (kind == Claim::Kind::empty) {
    crew_.doorbell.wait(Deadline::after(kPollEvery));
    return true;
  }
  const auto words = redis::cmd("HSET", keys::worker(state_.name), "state", "suspended");
  if (const auto status = connection_.command(words, Deadline::after(kRedisPatience)); status)
    crew_.doorbell.pause(Deadline::after(kPollEvery));
  return true;
}

void Slot::lost_redis(const Error& error) {
  crew_.note_redis(error);
  if (crew_.options.burst) {
    crew_.burst_error.with([&](auto& first) {
      if (!first) first = error;
    });
    state_.retire = true;
    return;
  }
  crew_.doorbell.pause(Deadline::after(backoff_.next()));
}

void Slot::work(Claim claim) {
  crew_.meters.claimed(claim.job.queue);
  state_.running.with([&](auto& running) { running = claim.job; });
  crew_.beat_alarm.ring();
  const Outcome outcome = call_function(claim);
  settle_surely(outcome);
  state_.running.with([](auto& running) { running.reset(); });
}

Outcome Slot::call_function(const Claim& claim) {
  Json args;
  Json kwargs;
  const auto call = decode_call(claim.data, args, kwargs);
  if (!call)
    return failure("the job's data", "rq.exceptions.DeserializationError",
                   call.error().to_string());
  const auto log =
      crew_.log.with("job", claim.job.job_id).with("function", to_valid_utf8(call->function));
  log.debug("started on {}", state_.name);
  const Function* function = crew_.registry.find(call->function);
  if (function == nullptr)
    return failure(call->function, "ValueError", "Invalid attribute name: " + call->function);
  if (!call->foreign.empty())
    return failure(
        call->function, "rq.exceptions.DeserializationError",
        fmt::format("the arguments hold a {}, which only Python can rebuild", call->foreign));

  JobContext context{.job_id = claim.job.job_id,
                     .queue = claim.job.queue,
                     .function = call->function,
                     .worker = state_.name,
                     .args = args,
                     .kwargs = kwargs,
                     .deadline = claim.job.deadline,
                     .stop = claim.job.stop.get_token(),
                     .draining = state_.retire,
                     .log = log};
  try {
    return judge((*function)(context), claim, *call);
  } catch (const std::exception& e) {
    return judge(Error{Errc::internal, e.what()}, claim, *call);
  }
}

Outcome Slot::judge(Result<Json> result, const Claim& claim, const Call& call) {
  const auto reason = state_.running.with(
      [](const auto& running) { return running ? running->reason : StopReason::none; });
  if (reason == StopReason::timeout || claim.job.deadline.passed())
    return outcome_of_stop(StopReason::timeout, claim.job.deadline, claim.job.started);
  if (result) return {"finished", encode_return(*result, call.serializer), {}};
  if (reason != StopReason::none)
    return outcome_of_stop(reason, claim.job.deadline, claim.job.started);
  const Error& error = result.error();
  if (error.code == Errc::cancelled && state_.retire)
    return outcome_of_stop(StopReason::draining, claim.job.deadline, claim.job.started);
  return failure(call.function, fmt::format("calld.{}", to_string(error.code)), error.context);
}

/// The outcome is written however long Redis is away, unless the process must end: then the lease
/// runs out and the job counts as abandoned.
void Slot::settle_surely(const Outcome& outcome) {
  const auto job = state_.running.with([](auto& running) {
    running->settling = true;
    return *running;
  });
  if (job.settled) return;
  for (int attempt = 1;; ++attempt) {
    auto status = connection_.ensure_connected(Deadline::after(kRedisPatience));
    if (status) {
      auto settled = settle(connection_, crew_, state_, job, outcome);
      if (settled) return;
      status = std::move(settled).error();
    }
    crew_.note_redis(status);
    const bool refused = status.error().code == Errc::protocol && attempt >= kMostRefusals;
    if (crew_.give_up || crew_.options.burst || refused) {
      crew_.log.error("job {} ended as {}, which could not be written: {}", job.job_id,
                      outcome.kind, status.error().to_string());
      return;
    }
    crew_.doorbell.pause(Deadline::after(backoff_.next()));
  }
}

}  // namespace

void run_slot(Crew& crew, SlotState& slot) {
  runtime::name_this_thread(fmt::format("job-{}", slot.number));
  Slot(crew, slot).run();
}

}  // namespace call::rq
