// The attempt protocol's sending half. Order is everything here:
//   1. intent -> sending, committed under the lease's epoch: from now on a crash means "unknown"
//   2. the account's gate opens: no second has more calls than the carrier allows
//   3. the lease is checked once more by the monotonic clock, and again once connected
//   4. exactly one create-call on a fresh connection
//   5. what the answer proves is written; an answer that proves nothing is written as "unknown"
// Only two answers lead back to the line: 429, and a failure before the first byte.
#include "core/dialer/attempt.hpp"

#include <fmt/format.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/dialer/gate.hpp"
#include "core/dialer/instruments.hpp"
#include "core/dialer/store_access.hpp"
#include "core/log/log.hpp"

namespace call::dialer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSettleRetry{250};
constexpr milliseconds kNotSentDelay{2000};
constexpr milliseconds kGatePatience{1000};
constexpr milliseconds kThrottledDelay{1000};  // when the carrier names no time
// A call that the carrier makes so much later may be made outside its hours, and its slot is taken.
constexpr milliseconds kLongQueue{10000};

/// Twilio: authentication failed, account inactive or suspended.
bool is_credentials_error(const carrier::CreateOutcome& outcome) {
  return outcome.http_status == 401 || outcome.code == 20003 || outcome.code == 20005;
}

void pause_until(MonoClock::time_point point) {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock lock(mutex);
  never.wait_until(lock, point, [] { return false; });
}

class Sending {
 public:
  Sending(const Deps& deps, const Options& options, const store::DriverLease& lease,
          const store::List& list, const store::Claim& claim)
      : deps_(deps),
        options_(options),
        lease_(lease),
        list_(list),
        claim_(claim),
        log_(log::Logger("dialer").with("list", list.id).with("attempt", claim.attempt_id)) {}

  AttemptReport run(const LeaseClock& clock, MonoClock::time_point send_at);

 private:
  using Write = std::function<Status()>;
  using Change = std::function<Status(store::Connection&)>;

  void settle(std::string_view what, const Write& write);
  void settle(std::string_view what, const Change& change) {
    settle(what, Write([&] { return with_store(deps_, change); }));
  }
  void back_in_line(milliseconds delay);
  AttemptReport fenced(std::string why);
  Status pass_gate();
  carrier::CreateOutcome send(const LeaseClock& clock);
  void note_queue(const carrier::CreateOutcome& outcome);
  AttemptReport settle_outcome(const carrier::CreateOutcome& outcome);

  const Deps& deps_;
  const Options& options_;
  const store::DriverLease& lease_;
  const store::List& list_;
  const store::Claim& claim_;
  log::Logger log_;
};

/// An answer is evidence and must not be lost while PostgreSQL restarts. If it cannot be written at
/// all, the attempt stays `sending`, which the next driver reads as unknown: never as "redial".
void Sending::settle(std::string_view what, const Write& write) {
  const auto give_up = Deadline::after(2 * options_.lease_ttl);
  while (true) {
    const auto written = write();
    if (written) {
      log_.debug("settled: {}", what);
      return;
    }
    const auto code = written.error().code;
    const bool transient =
        code == Errc::unavailable || code == Errc::timeout || code == Errc::limit;
    if (!transient || give_up.passed()) {
      log_.error("could not write \"{}\": {}", what, written.error().to_string());
      return;
    }
    pause_until(MonoClock::now() + kSettleRetry);
  }
}

void Sending::back_in_line(milliseconds delay) {
  settle("nothing was sent",
         [&](auto& store) { return store::settle_not_sent(store, lease_, claim_.attempt_id); });
  const auto dropped = with_store(deps_, [&](auto& store) {
    return store::drop_intent(store, lease_, claim_.attempt_id, delay);
  });
  // Not ours any more: whoever took the list over has undone the intent already.
  if (!dropped) log_.debug("intent not dropped: {}", dropped.error().to_string());
}

AttemptReport Sending::fenced(std::string why) {
  deps_.instruments->fenced.add();
  log_.info("not sent: {}", why);
  return {AttemptEnd::fenced, {}, std::move(why)};
}

/// Most often at once. A machine so busy that it waits long gives the moment to another call.
Status Sending::pass_gate() {
  const Pace account{account_key(deps_.carrier->options().account_sid), options_.calls_per_second};
  const auto patience = Deadline::after(kGatePatience);
  while (true) {
    CALL_TRY(const auto wait, deps_.gate->pass(account, patience));
    if (wait.count() == 0) return {};
    if (wait > patience.left())
      return Error{Errc::limit, "the account makes as many calls as it may in this second"};
    pause_until(MonoClock::now() + wait);
  }
}

carrier::CreateOutcome Sending::send(const LeaseClock& clock) {
  const auto& carrier = *deps_.carrier;
  const auto expiry = wall_now() + options_.media_token_ttl;
  auto twiml =
      twiml_of(plan_of(list_, claim_), options_.urls, carrier.options().auth_token, expiry);
  const auto request = request_of(list_, claim_, options_.urls, std::move(twiml));
  log_.debug("create-call to {} from {}, TwiML {}", log::mask_phone(claim_.to_number),
             log::mask_phone(claim_.from_number),
             request.url.empty() ? "inline" : "by the answer address");
  const auto begun = MonoClock::now();
  // To connect may take longer than the lease lasts, and so may a process that is stopped.
  auto outcome = carrier.create_call(request, Deadline::after(carrier.options().timeout),
                                     [&] { return clock.good(); });
  const std::chrono::duration<double> took = MonoClock::now() - begun;
  deps_.instruments->create_seconds.observe(took.count());
  log_.debug("carrier: {} after {:.0f} ms (HTTP {}, code {}) {}", to_string(outcome.kind),
             took.count() * 1000, outcome.http_status, outcome.code,
             outcome.sid.empty() ? outcome.why : outcome.sid);
  return outcome;
}

/// Above its calls per second Twilio takes calls and makes them later.
void Sending::note_queue(const carrier::CreateOutcome& outcome) {
  if (!outcome.queue_time) return;
  const std::chrono::duration<double> queued = *outcome.queue_time;
  deps_.instruments->queue_seconds.observe(queued.count());
  if (*outcome.queue_time < kLongQueue) return;
  if (const auto hidden = deps_.instruments->queue_log.admit())
    log_.warn("the carrier will dial {:.0f} s from now ({} more not shown)", queued.count(),
              *hidden);
}

AttemptReport Sending::settle_outcome(const carrier::CreateOutcome& outcome) {
  using Kind = carrier::CreateOutcome::Kind;
  auto& counts = *deps_.instruments;
  const auto& id = claim_.attempt_id;
  if (outcome.kind == Kind::rejected && is_credentials_error(outcome)) {
    back_in_line(milliseconds(0));
    return {AttemptEnd::credentials, {}, outcome.why};
  }
  switch (outcome.kind) {
    case Kind::placed:
      counts.placed.add();
      note_queue(outcome);
      settle("placed", [&] { return deps_.attempts->settle_placed(lease_, id, outcome.sid); });
      return {AttemptEnd::placed, {}, {}};
    case Kind::rejected: {
      counts.rejected.add();
      const int code = outcome.code != 0 ? outcome.code : outcome.http_status;
      settle("rejected", [&](auto& store) {
        return store::settle_rejected(store, lease_, id, fmt::to_string(code), outcome.why);
      });
      return {AttemptEnd::rejected, {}, outcome.why};
    }
    case Kind::throttled: {
      counts.throttled.add();
      const auto delay = outcome.retry_after.value_or(kThrottledDelay);
      back_in_line(delay);
      return {AttemptEnd::throttled, delay, outcome.why};
    }
    case Kind::not_sent:
      counts.not_sent.add();
      back_in_line(kNotSentDelay);
      return {AttemptEnd::not_sent, {}, outcome.why};
    case Kind::unknown:
      break;
  }
  counts.unknown.add();
  log_.warn("unknown: {}; only evidence will settle it", outcome.why);
  settle("unknown",
         [&](auto& store) { return store::settle_unknown(store, lease_, id, outcome.why); });
  return {AttemptEnd::unknown, {}, outcome.why};
}

AttemptReport Sending::run(const LeaseClock& clock, MonoClock::time_point send_at) {
  CALL_CRASH_SUBJECT(claim_.to_number);
  CALL_CRASH_POINT("sending.before");
  const auto marked = deps_.attempts->mark_sending(lease_, claim_.attempt_id);
  if (!marked && marked.error().code == Errc::permission) {
    log_.info("not sent: {}", marked.error().context);
    return {AttemptEnd::refused, {}, marked.error().context};
  }
  if (!marked) {
    // The commit may have happened although its answer was lost; that nothing was sent is certain.
    if (marked.error().code != Errc::conflict) back_in_line(milliseconds(0));
    return fenced(marked.error().to_string());
  }
  CALL_CRASH_POINT("sending.after");
  pause_until(send_at);
  if (const auto open = pass_gate(); !open) {
    back_in_line(milliseconds(0));
    log_.info("not sent: {}", open.error().to_string());
    return {AttemptEnd::not_sent, {}, open.error().to_string()};
  }
  if (!clock.good()) {
    back_in_line(milliseconds(0));
    return fenced("the lease may be over");
  }
  log_.debug("sending, under epoch {}", lease_.epoch);
  const auto outcome = send(clock);
  CALL_CRASH_POINT("settle.before");
  auto report = settle_outcome(outcome);
  CALL_CRASH_POINT("settle.after");
  return report;
}

}  // namespace

AttemptReport perform_attempt(const Deps& deps, const Options& options,
                              const store::DriverLease& lease, const LeaseClock& clock,
                              const store::List& list, const store::Claim& claim,
                              MonoClock::time_point send_at) {
  return Sending(deps, options, lease, list, claim).run(clock, send_at);
}

}  // namespace call::dialer
