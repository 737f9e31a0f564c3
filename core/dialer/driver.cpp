// The driver of one list: claims entries, takes turns, hands each to a sender thread, and keeps the
// lease alive meanwhile. One thread runs the loop; senders report back under one mutex. The loop
// never sleeps blindly: it waits on a condition that a finished send, a stop or the next due moment
// ends.
#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/scope_exit.hpp"
#include "core/dialer/attempt.hpp"
#include "core/dialer/dialer.hpp"
#include "core/dialer/instruments.hpp"
#include "core/dialer/pacing.hpp"
#include "core/dialer/relay.hpp"
#include "core/dialer/sender_pool.hpp"
#include "core/log/log.hpp"
#include "core/redis/connection.hpp"
#include "core/store/outbox.hpp"

namespace call::dialer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kStorePatience{5000};
constexpr milliseconds kRedisPatience{2000};
constexpr milliseconds kOutagePause{500};
constexpr milliseconds kReconcileEvery{10000};

class Driver {
 public:
  Driver(const Deps& deps, const Options& options, const Run& run, store::List list,
         store::DriverLease lease, MonoClock::time_point leased_at);
  ~Driver();

  Result<DialReport> drive();

 private:
  template <class F>
  auto with_store(F&& use) -> decltype(use(std::declval<store::Connection&>())) {
    auto connection = deps_.store->take(Deadline::after(kStorePatience));
    if (!connection) return std::move(connection).error();
    return use(**connection);
  }

  std::optional<DialEnd> must_leave();
  void keep_lease();
  void step();
  bool claim();
  void on_no_claim(const store::ClaimResult& result);
  bool take_turn();
  void send();
  void finished(const AttemptReport& report);
  void reconcile_meanwhile();
  void wait(milliseconds span);
  void settle_sends();
  Status hand_over();
  Result<DialReport> leave(DialEnd end);
  bool draining() const { return run_.draining && run_.draining->load(); }
  Deadline carrier_patience() const { return Deadline::after(deps_.carrier->options().timeout); }

  const Deps& deps_;
  const Options& options_;
  const Run& run_;
  const store::List list_;
  const store::DriverLease lease_;
  const log::Logger log_;
  const Deadline slice_;
  redis::Connection redis_;
  std::vector<Pace> paces_;

  LeaseClock clock_;
  MonoClock::time_point renew_at_;
  MonoClock::time_point reconcile_at_;
  std::optional<store::Claim> held_;  // claimed, waiting for its turn
  std::optional<DialEnd> end_;        // why the loop ends, once it is known
  bool outage_logged_ = false;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  int sends_ = 0;                  // under mutex_, as all below
  bool news_ = false;              // a send ended since the last wait
  std::string credentials_error_;  // not empty: the carrier refuses us
  DialReport report_;
};

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
  if (options.caller_id_calls_per_second > 0) {
    paces.push_back(
        {caller_id_key(account, list.settings.from_number), options.caller_id_calls_per_second});
  }
  return paces;
}

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
      renew_at_(leased_at + options.lease_ttl / 3),
      reconcile_at_(leased_at) {
  clock_.renewed(leased_at, options.lease_ttl);
  report_.list_id = list_.id;
  report_.epoch = lease_.epoch;
  deps_.instruments->drivers.add();
}

Driver::~Driver() {
  settle_sends();
  deps_.instruments->drivers.sub();
}

std::optional<DialEnd> Driver::must_leave() {
  if (end_) return end_;
  if (run_.stop.stop_requested() || draining() || slice_.passed()) return DialEnd::handed_over;
  std::lock_guard lock(mutex_);
  if (!credentials_error_.empty()) return DialEnd::list_failed;
  return std::nullopt;
}

/// Renews at a third of the ttl. PostgreSQL away: tried again each round while the lease is ours.
void Driver::keep_lease() {
  const auto now = MonoClock::now();
  if (now < renew_at_) return;
  const auto renewed = with_store(
      [&](auto& store) { return store::renew_lease(store, lease_, options_.lease_ttl); });
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
  if (!deps_.senders->reserve()) return wait(options_.poll);
  bool reserved = true;
  const ScopeExit give_back([&] {
    if (reserved) deps_.senders->give_back();
  });
  if (!held_ && !claim()) return;
  if (!take_turn()) return;
  reserved = false;
  send();
}

bool Driver::claim() {
  auto claimed = with_store([&](auto& store) { return store::claim_next(store, lease_); });
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
  if (!claimed->claim) {
    on_no_claim(*claimed);
    return false;
  }
  held_ = std::move(claimed->claim);
  log_.with("attempt", held_->attempt_id)
      .debug("claimed entry {} (attempt {}) to {}", held_->entry_id, held_->n,
             log::mask_phone(held_->to_number));
  return true;
}

void Driver::on_no_claim(const store::ClaimResult& result) {
  switch (result.why) {
    case store::NoClaim::list_not_running:
      end_ = DialEnd::not_running;
      return;
    case store::NoClaim::all_done: {
      const auto completed =
          with_store([&](auto& store) { return store::complete_if_done(store, lease_); });
      if (completed && *completed) {
        end_ = DialEnd::completed;
        return;
      }
      return wait(options_.poll);
    }
    case store::NoClaim::not_due:
      if (result.next_due.count() > 0) return wait(std::min(result.next_due, options_.poll));
      return wait(options_.poll);
    case store::NoClaim::no_slot:
    case store::NoClaim::all_claimed:
      return wait(options_.poll);
  }
}

/// Without Redis nobody knows how many calls others start: no turn, no call.
bool Driver::take_turn() {
  const auto turn = dialer::take_turn(redis_, paces_, Deadline::after(kRedisPatience));
  if (!turn) {
    if (!std::exchange(outage_logged_, true))
      log_.warn("not dialing until Redis answers: {}", turn.error().to_string());
    wait(kOutagePause);
    return false;
  }
  if (std::exchange(outage_logged_, false)) log_.info("Redis answers again");
  if (turn->count() > 0) {
    wait(std::min(std::chrono::ceil<milliseconds>(*turn), options_.poll));
    return false;
  }
  log_.with("attempt", held_->attempt_id).debug("turn taken");
  return true;
}

void Driver::send() {
  {
    std::lock_guard lock(mutex_);
    ++sends_;
  }
  deps_.senders->start([this, claim = *std::exchange(held_, std::nullopt)] {
    finished(perform_attempt(deps_, options_, lease_, clock_, list_, claim));
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
  reconcile_at_ = MonoClock::now() + kReconcileEvery;
  {
    std::lock_guard lock(mutex_);
    ++sends_;
  }
  deps_.senders->start([this] {
    const auto changed = reconcile(deps_, options_, list_.id, carrier_patience());
    if (!changed) log_.warn("could not reconcile: {}", changed.error().to_string());
    std::lock_guard lock(mutex_);
    --sends_;
    news_ = true;
    changed_.notify_all();
  });
}

void Driver::wait(milliseconds span) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, run_.stop, span, [this] { return news_; });
  news_ = false;
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
  return with_store([&](auto& store) -> Status {
    CALL_TRY(const auto job, store::add_job(store, list_.tenant_id, "dial", store::kDialListJob,
                                            "[" + std::to_string(list_.id) + "]"));
    try_relay(store, queue, {job}, Deadline::after(kRedisPatience));
    return {};
  });
}

Result<DialReport> Driver::leave(DialEnd end) {
  settle_sends();
  const bool stopped = run_.stop.stop_requested() || draining();
  if (end == DialEnd::list_failed) {
    log_.error("the list fails: {}", credentials_error_);
    CALL_CHECK(with_store([&](auto& store) {
      return store::fail_list(store, lease_, "the carrier refuses us: " + credentials_error_);
    }));
  }
  CALL_CHECK(with_store([&](auto& store) { return store::release_lease(store, lease_); }));
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

}  // namespace

std::string_view to_string(DialEnd end) {
  switch (end) {
    case DialEnd::completed:
      return "completed";
    case DialEnd::not_running:
      return "not_running";
    case DialEnd::other_driver:
      return "other_driver";
    case DialEnd::lease_lost:
      return "lease_lost";
    case DialEnd::handed_over:
      return "handed_over";
    case DialEnd::list_failed:
      return "list_failed";
  }
  return "";
}

Result<DialReport> dial_list(const Deps& deps, const Options& options, std::int64_t list_id,
                             const Run& run) {
  std::optional<store::List> list;
  std::optional<store::DriverLease> lease;
  const auto leased_at = MonoClock::now();
  {
    CALL_TRY(auto connection, deps.store->take(Deadline::after(kStorePatience)));
    CALL_TRY(list, store::load_list(*connection, list_id));
    if (list->state != store::ListState::running) return DialReport{DialEnd::not_running, list_id};
    auto acquired = store::acquire_lease(*connection, list_id, run.holder, options.lease_ttl);
    if (!acquired && acquired.error().code == Errc::conflict) {
      const log::Logger log("dialer");
      log.with("list", list_id).debug("nothing to do: {}", acquired.error().to_string());
      return DialReport{DialEnd::other_driver, list_id};
    }
    CALL_TRY(lease, std::move(acquired));
  }
  return Driver(deps, options, run, *std::move(list), *std::move(lease), leased_at).drive();
}

}  // namespace call::dialer
