// The loop never sleeps blindly: it waits on a condition that a finished send, a stop or the next due
// moment ends. A turn is taken only when an entry is claimed and a sender thread is free, so that no
// turn is wasted and none waits in a queue.
#include "core/dialer/driver.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/crash_point.hpp"
#include "core/base/scope_exit.hpp"
#include "core/dialer/instruments.hpp"
#include "core/dialer/relay.hpp"
#include "core/dialer/sender_pool.hpp"
#include "core/dialer/store_access.hpp"
#include "core/dialer/wake.hpp"
#include "core/store/brakes.hpp"
#include "core/store/outbox.hpp"

namespace call::dialer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRedisPatience{2000};
constexpr milliseconds kOutagePause{500};
// From the turn to the first byte. What is done between takes now more, now less; calls leave as evenly
// as their turns were given when each leaves at the same distance from its turn.
constexpr milliseconds kAim{15};
// Claimed together: what is sent in a tenth of a second. More would hold numbers and slots for long.
constexpr double kClaimAheadS = 0.1;
constexpr double kMostClaims = 20;
constexpr milliseconds kSenderPause{20};  // other lists' sends free a thread without a word
constexpr milliseconds kBrakesEvery{5000};
constexpr milliseconds kSleepAbove{10000};

Deadline slice_of(const Deps& deps, const Options& options, const Run& run) {
  // A send begun at the last moment must fit in front of the job's time limit.
  const auto reserve = deps.carrier->options().timeout + kStorePatience;
  const auto limit = run.deadline.left() - reserve;
  return Deadline::after(std::clamp(limit, milliseconds(0), options.slice));
}

std::vector<Pace> paces_of(const Deps& deps, const Options& options, const store::List& list) {
  const auto& account = deps.carrier->options().account_sid;
  std::vector<Pace> paces{{account_key(account), options.calls_per_second},
                          {list_key(account, list.id), list.settings.calls_per_second}};
  if (list.tenant_calls_per_second)
    paces.push_back({tenant_key(account, list.tenant_id), *list.tenant_calls_per_second});
  return paces;
}

std::int64_t claims_at_once(const std::vector<Pace>& paces) {
  double most = kMostClaims;
  for (const auto& pace : paces) most = std::min(most, pace.per_second * kClaimAheadS);
  return std::max<std::int64_t>(1, std::llround(most));
}

}  // namespace

Driver::Driver(const Deps& deps, const Options& options, const Run& run, store::List list,
               store::DriverLease lease, MonoClock::time_point leased_at)
    : deps_(deps),
      options_(options),
      run_(run),
      list_(std::move(list)),
      lease_(std::move(lease)),
      log_(log::Logger("dialer").with("list", list_.id).with("epoch", lease_.epoch)),
      slice_(slice_of(deps, options, run)),
      redis_(deps.redis, "calld-dialer"),
      paces_(paces_of(deps, options, list_)),
      brakes_at_(leased_at + kBrakesEvery),
      renew_at_(leased_at + options.lease_ttl / 3),
      reconcile_at_(leased_at) {
  clock_.renewed(leased_at, options.lease_ttl);
  report_.list_id = list_.id;
  report_.epoch = lease_.epoch;
  deps_.instruments->drivers.add();
  if (deps_.wakes != nullptr)
    deps_.wakes->add(list_.id, [this](Wakes::Whose whose) { call_ended(whose); });
}

Driver::~Driver() {
  if (deps_.wakes != nullptr) deps_.wakes->remove(list_.id);
  settle_sends();
  deps_.instruments->drivers.sub();
}

std::optional<DialEnd> Driver::must_leave() {
  if (end_) return end_;
  if (run_.stop.stop_requested() || draining() || slice_.passed()) return DialEnd::handed_over;
  std::lock_guard lock(mutex_);
  if (!credentials_error_.empty()) return DialEnd::no_credentials;
  return std::nullopt;
}

/// Renews at a third of the ttl. PostgreSQL away: tried again each round while the lease is ours.
void Driver::keep_lease() {
  const auto now = MonoClock::now();
  if (now < renew_at_) return;
  const auto renewed = with_store(
      deps_, [&](auto& store) { return store::renew_lease(store, lease_, options_.lease_ttl); });
  if (renewed) {
    clock_.renewed(now, options_.lease_ttl);
    renew_at_ = now + options_.lease_ttl / 3;
    return;
  }
  renew_at_ = now + kOutagePause;
  if (renewed.error().code == Errc::conflict || !clock_.good()) {
    clock_.lost();
    end_ = DialEnd::lease_lost;
    log_.warn("lease lost: {}", renewed.error().to_string());
  }
}

/// One entry on its way, or a wait.
void Driver::step() {
  reconcile_meanwhile();
  check_brakes();
  if (end_) return;
  if (!deps_.senders->reserve()) return wait(std::min(kSenderPause, options_.poll));
  bool reserved = true;
  const ScopeExit give_back([&] {
    if (reserved) deps_.senders->give_back();
  });
  if (held_.empty() && !claim()) return;
  if (!take_turn()) return;
  reserved = false;
  send();
}

bool Driver::claim() {
  CALL_CRASH_POINT("claim.before", list_.name);
  auto claimed = with_store(deps_, [&](auto& store) {
    return store::claim_entries(store, lease_,
                                {options_.account_concurrency, claims_at_once(paces_)});
  });
  if (!claimed) {
    if (claimed.error().code == Errc::conflict) {
      end_ = DialEnd::lease_lost;
      log_.warn("no longer the driver: {}", claimed.error().to_string());
    } else {
      log_.warn("could not claim: {}", claimed.error().to_string());
      wait(kOutagePause);
    }
    return false;
  }
  {
    std::lock_guard lock(mutex_);
    shares_slot_ = claimed->shared_slot;
  }
  if (claimed->claims.empty()) {
    on_no_claim(*claimed);
    return false;
  }
  for (auto& claim : claimed->claims) {
    CALL_CRASH_POINT("claim.after", claim.to_number);
    log_.with("attempt", claim.attempt_id)
        .debug("claimed entry {} (attempt {}) to {}", claim.entry_id, claim.n,
               log::mask_phone(claim.to_number));
    held_.push_back(std::move(claim));
  }
  return true;
}

void Driver::on_no_claim(const store::ClaimResult& result) {
  switch (result.why) {
    case store::NoClaim::list_not_running:
      end_ = DialEnd::not_running;
      return;
    case store::NoClaim::all_done: {
      const auto completed =
          with_store(deps_, [&](auto& store) { return store::complete_if_done(store, lease_); });
      if (completed && *completed) {
        end_ = DialEnd::completed;
        return;
      }
      return wait(options_.poll);
    }
    case store::NoClaim::not_due:
      if (result.idle && result.next_due > kSleepAbove) {
        end_ = DialEnd::asleep;
        return;
      }
      [[fallthrough]];
    case store::NoClaim::no_slot:
      if (result.next_due.count() > 0) return wait(std::min(result.next_due, options_.poll));
      return wait(options_.poll);
    case store::NoClaim::all_claimed:
      return wait(options_.poll);
  }
}

/// Without Redis nobody knows how many calls others start: no turn, no call.
bool Driver::take_turn() {
  auto paces = paces_;
  if (options_.caller_id_calls_per_second > 0) {
    const auto& account = deps_.carrier->options().account_sid;
    paces.push_back(
        {caller_id_key(account, held_.front().from_number), options_.caller_id_calls_per_second});
  }
  const auto asked = MonoClock::now();
  const auto turn = dialer::take_turn(redis_, paces, {list_.tenant_id, list_.id},
                                      Deadline::after(kRedisPatience));
  if (!turn) {
    if (!std::exchange(outage_logged_, true))
      log_.warn("not dialing until Redis answers: {}", turn.error().to_string());
    wait(kOutagePause);
    return false;
  }
  if (std::exchange(outage_logged_, false)) log_.info("Redis answers again");
  if (!turn->taken) {
    wait(std::min(std::chrono::ceil<milliseconds>(turn->in), options_.poll));
    return false;
  }
  send_at_ = asked + turn->in + kAim;
  log_.with("attempt", held_.front().attempt_id).debug("turn taken");
  return true;
}

void Driver::send() {
  {
    std::lock_guard lock(mutex_);
    ++sends_;
  }
  auto next = std::move(held_.front());
  held_.pop_front();
  deps_.senders->start([this, claim = std::move(next), at = send_at_] {
    finished(perform_attempt(deps_, options_, lease_, clock_, list_, claim, at));
  });
}

/// On a sender thread.
void Driver::finished(const AttemptReport& report) {
  if (report.end == AttemptEnd::throttled) {
    redis::Connection redis(deps_.redis, "calld-sender");
    const auto held =
        hold(redis, paces_.front().key, report.retry_after, Deadline::after(kRedisPatience));
    if (!held) log_.warn("could not hold the account back: {}", held.error().to_string());
  }
  std::lock_guard lock(mutex_);
  switch (report.end) {
    case AttemptEnd::placed:
      ++report_.placed;
      break;
    case AttemptEnd::rejected:
      ++report_.rejected;
      break;
    case AttemptEnd::throttled:
      ++report_.throttled;
      break;
    case AttemptEnd::not_sent:
      ++report_.not_sent;
      break;
    case AttemptEnd::unknown:
      ++report_.unknown;
      break;
    case AttemptEnd::refused:
    case AttemptEnd::fenced:
      break;
    case AttemptEnd::credentials:
      credentials_error_ = report.why;
      break;
  }
  --sends_;
  news_ = true;
  changed_.notify_all();  // under the lock: after it the driver may be gone
}

void Driver::reconcile_meanwhile() {
  if (MonoClock::now() < reconcile_at_ || !deps_.senders->reserve()) return;
  reconcile_at_ = MonoClock::now() + reconcile_every(options_);
  {
    std::lock_guard lock(mutex_);
    ++sends_;
  }
  deps_.senders->start([this] {
    const auto changed = reconcile(deps_, options_, {list_.id}, carrier_patience());
    if (!changed) log_.warn("could not reconcile: {}", changed.error().to_string());
    std::lock_guard lock(mutex_);
    --sends_;
    news_ = true;
    changed_.notify_all();
  });
}

/// A list that fails too much, or leaves too many people in silence, pauses itself.
void Driver::check_brakes() {
  const auto now = MonoClock::now();
  if (now < brakes_at_) return;
  brakes_at_ = now + kBrakesEvery;
  const auto braked =
      with_store(deps_, [&](auto& store) { return store::brake_if_needed(store, lease_); });
  if (!braked) {
    log_.debug("could not look at the brakes: {}", braked.error().to_string());
    return;
  }
  if (braked->empty()) return;
  end_ = DialEnd::braked;
  log_.error("the list paused itself: {}", *braked);
}

/// Until news, a wake-up or the end of the span; never beyond the lease's renewal.
void Driver::wait(milliseconds span) {
  const auto to_renewal = std::chrono::ceil<milliseconds>(renew_at_ - MonoClock::now());
  span = std::clamp(span, milliseconds(0), std::max(to_renewal, milliseconds(1)));
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, run_.stop, span, [this] { return news_; });
  news_ = false;
}

/// A call of ours or of another list has ended: from any thread.
void Driver::call_ended(Wakes::Whose whose) {
  std::lock_guard lock(mutex_);
  if (whose == Wakes::Whose::other && !shares_slot_) return;
  news_ = true;
  changed_.notify_all();
}

/// Until every send is settled; the lease stays alive meanwhile.
void Driver::settle_sends() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, options_.poll, [this] { return sends_ == 0; })) return;
    }
    keep_lease();
  }
}

Status Driver::hand_over() {
  rq::Client queue(deps_.redis);
  return with_store(deps_, [&](auto& store) -> Status {
    CALL_TRY(const auto job,
             store::add_job(store, list_.tenant_id, store::kDialQueue, store::kDialListJob,
                            "[" + std::to_string(list_.id) + "]"));
    CALL_CRASH_POINT("handover.committed", list_.name);
    try_relay(store, queue, {job}, Deadline::after(kRedisPatience));
    return {};
  });
}

Result<DialReport> Driver::leave(DialEnd end) {
  settle_sends();
  CALL_CRASH_POINT("driver.leave", list_.name);
  const bool stopped = run_.stop.stop_requested() || draining();
  if (end == DialEnd::no_credentials) {
    log_.error("the list is paused: the carrier refuses us: {}", credentials_error_);
    CALL_CHECK(with_store(deps_, [&](auto& store) {
      return store::pause_list(store, lease_, "the carrier refuses us: " + credentials_error_);
    }));
  }
  CALL_CHECK(with_store(deps_, [&](auto& store) { return store::release_lease(store, lease_); }));
  CALL_CRASH_POINT("driver.released", list_.name);
  // A stopped or draining job is given back to its queue by the worker, or was stopped on purpose.
  if (end == DialEnd::handed_over && stopped)
    return Error{Errc::cancelled, "stopped; the list can go on in another job"};
  if (end == DialEnd::handed_over) CALL_CHECK(hand_over());
  report_.end = end;
  log_.debug("driver leaves: {}, placed {}, unknown {}", to_string(end), report_.placed,
             report_.unknown);
  return report_;
}

Result<DialReport> Driver::drive() {
  log_.debug("driving, at most {} open and {} a second", list_.settings.concurrency,
             list_.settings.calls_per_second);
  while (true) {
    if (const auto end = must_leave()) return leave(*end);
    keep_lease();
    if (!end_) step();
  }
}

}  // namespace call::dialer
