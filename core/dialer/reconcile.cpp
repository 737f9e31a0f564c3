// Evidence for attempts without news. First witness: the requests that the carrier remembers for a
// call of the pair (To, From). Their addresses carry the attempt's token, or they do not, and the
// call is somebody else's. Second witness, while the carrier has asked for nothing yet: an unknown
// attempt keeps its pair to itself, so a call of the pair that was created after we sent, and that no
// other attempt owns, is ours. Two of those are for an operator to judge. How long after does not
// matter: nobody else of ours calls the pair until this is settled, and a process may have been
// stopped for long between its mark and its request.
//
// The carrier's books may lag, so that it knows of no call proves something only after it was asked for
// long. PostgreSQL's clock cannot tell that: it may have jumped since the attempt was sent.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <vector>

#include "core/base/crash_point.hpp"
#include "core/base/uptime.hpp"
#include "core/dialer/dialer.hpp"
#include "core/dialer/instruments.hpp"
#include "core/dialer/store_access.hpp"
#include "core/json/json.hpp"
#include "core/log/log.hpp"
#include "core/store/events.hpp"
#include "core/store/reconcile.hpp"

namespace call::dialer {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr int kBatch = 1000;
// The carrier's clock may differ from PostgreSQL's. What is taken for ours because of it, though made
// before, is at worst an abandoned attempt's to the same number: an attempt is then bound to its
// neighbour's call, which is better than calling a third time.
constexpr minutes kClockSkew{15};

std::string day_of(WallTime time) {
  return to_rfc3339(time).substr(0, 10);
}

/// On which a call may have started, by the carrier's clock. Twilio queues for up to a day.
std::set<std::string> days_of(const store::StaleAttempt& attempt) {
  const auto first = attempt.sent_at - kClockSkew;
  const auto last =
      std::min(attempt.sent_at + attempt.age, attempt.sent_at + std::chrono::hours(24)) +
      kClockSkew;
  return {day_of(first), day_of(attempt.sent_at), day_of(last)};
}

class Reconciler {
 public:
  Reconciler(const Deps& deps, const Options& options, Deadline deadline)
      : deps_(deps), options_(options), deadline_(deadline) {}

  Result<std::int64_t> run(const store::StaleScope& scope);

 private:
  Result<bool> unknown(const store::StaleAttempt& attempt);
  Result<bool> overdue(const store::StaleAttempt& attempt);
  Result<bool> lose(const store::StaleAttempt& attempt);
  Result<bool> asked_enough(const store::StaleAttempt& attempt);
  Result<std::vector<carrier::Call>> candidates(const store::StaleAttempt& attempt);
  std::vector<carrier::Call> judge(const store::StaleAttempt& attempt,
                                   std::vector<carrier::Call> calls);
  Result<bool> bind(const store::StaleAttempt& attempt, const carrier::Call& call);
  Status report(const store::StaleAttempt& attempt, const carrier::Call& call);

  const Deps& deps_;
  const Options& options_;
  Deadline deadline_;
  const log::Logger log_{"dialer"};
};

Result<std::int64_t> Reconciler::run(const store::StaleScope& scope) {
  CALL_TRY(auto stale, with_store(deps_, [&](auto& store) {
             return store::stale_attempts(store, scope, options_.unknown_grace,
                                          options_.overdue_grace, kBatch);
           }));
  // In no order, so that one whose question takes all the time each round does not keep the others from
  // being asked about.
  std::shuffle(stale.begin(), stale.end(), std::minstd_rand(std::random_device{}()));
  std::int64_t changed = 0;
  std::optional<Error> failure;
  for (const auto& attempt : stale) {
    if (deadline_.passed()) break;
    const auto settled = attempt.call_sid.empty() ? unknown(attempt) : overdue(attempt);
    if (settled && *settled) ++changed;
    if (settled || failure) continue;
    failure = Error(settled.error()).with_context("attempt " + attempt.id);
  }
  if (failure) return *std::move(failure);
  return changed;
}

/// Calls of the pair that began after the attempt was sent. A call that was not dialed yet has no
/// start time and is found by its status only.
Result<std::vector<carrier::Call>> Reconciler::candidates(const store::StaleAttempt& attempt) {
  carrier::ListCalls filter;
  filter.to = attempt.to_number;
  filter.from = attempt.from_number;
  std::vector<carrier::ListCalls> questions;
  filter.status = carrier::CallStatus::queued;
  questions.push_back(filter);
  filter.status.reset();
  for (const auto& day : days_of(attempt)) {
    filter.start_date = day;
    questions.push_back(filter);
  }
  std::vector<carrier::Call> found;
  for (const auto& question : questions) {
    CALL_TRY(auto calls, deps_.carrier->list_calls(question, deadline_));
    for (auto& call : calls) {
      const bool exact = call.to == attempt.to_number && call.from == attempt.from_number;
      const bool in_time = call.date_created && *call.date_created >= attempt.sent_at - kClockSkew;
      const bool known = std::any_of(found.begin(), found.end(),
                                     [&](const auto& other) { return other.sid == call.sid; });
      if (!exact || !in_time || known) continue;
      CALL_TRY(const bool bound, with_store(deps_, [&](auto& store) {
                 return store::sid_is_bound(store, call.sid);
               }));
      if (!bound) found.push_back(std::move(call));
    }
  }
  return found;
}

Status Reconciler::report(const store::StaleAttempt& attempt, const carrier::Call& call) {
  store::Event event;
  event.kind = store::EventKind::fetched;
  event.token = attempt.token;
  event.call_sid = call.sid;
  event.status = store::parse_call_status(to_string(call.status));
  if (call.answered_by) event.answered_by = to_string(*call.answered_by);
  if (call.duration) event.duration_s = call.duration->count();
  event.occurred_at = call.end_time;
  event.params_json = json::dump({{"sid", call.sid}, {"status", to_string(call.status)}});
  CALL_CHECK(with_store(deps_, [&](auto& store) { return store::apply_event(store, event); }));
  return {};
}

Result<bool> Reconciler::bind(const store::StaleAttempt& attempt, const carrier::Call& call) {
  const auto confirmed = with_store(
      deps_, [&](auto& store) { return store::confirm_placed(store, attempt.id, call.sid); });
  if (!confirmed) {
    if (confirmed.error().code != Errc::conflict) return confirmed.error();
    return false;  // the call is another attempt's, or a webhook was faster
  }
  CALL_CRASH_POINT("reconcile.bound", attempt.to_number);
  CALL_CHECK(report(attempt, call));
  deps_.instruments->resolved.add();
  log_.with("attempt", attempt.id)
      .info("unknown no more: the carrier lists {} ({})", call.sid, to_string(call.status));
  return true;
}

/// Those that may be the attempt's: the ones that carry its token if there is any, else the ones about
/// which nothing is known. Proven ones first made first.
std::vector<carrier::Call> Reconciler::judge(const store::StaleAttempt& attempt,
                                             std::vector<carrier::Call> calls) {
  std::vector<carrier::Call> proven;
  std::vector<carrier::Call> silent;
  for (auto& call : calls) {
    const auto urls = deps_.carrier->call_event_urls(call.sid, deadline_);
    if (!urls) log_.debug("no events of {}: {}", call.sid, urls.error().to_string());
    if (!urls || urls->empty()) {
      silent.push_back(std::move(call));
      continue;
    }
    const bool ours = std::any_of(urls->begin(), urls->end(), [&](const auto& url) {
      return url.find(attempt.token) != std::string::npos;
    });
    if (ours) proven.push_back(std::move(call));
  }
  std::sort(proven.begin(), proven.end(),
            [](const auto& a, const auto& b) { return a.date_created < b.date_created; });
  return proven.empty() ? silent : proven;
}

/// After one more look in vain.
Result<bool> Reconciler::asked_enough(const store::StaleAttempt& attempt) {
  CALL_TRY(const auto asked_for, with_store(deps_, [&](auto& store) {
             return store::asked_in_vain(store, attempt.id, uptime(), reconcile_every(options_));
           }));
  return asked_for >= options_.unknown_deadline - options_.unknown_grace;
}

Result<bool> Reconciler::unknown(const store::StaleAttempt& attempt) {
  CALL_TRY(auto listed, candidates(attempt));
  CALL_CRASH_POINT("reconcile.listed", attempt.to_number);
  const auto calls = judge(attempt, std::move(listed));
  if (calls.size() == 1) return bind(attempt, calls.front());
  if (calls.size() > 1) {
    log_.with("attempt", attempt.id)
        .error("the carrier lists {} calls that could be this one; see `callctl attempt ls`",
               calls.size());
    return false;
  }
  CALL_TRY(const bool enough, asked_enough(attempt));
  if (!enough) {
    log_.with("attempt", attempt.id).debug("still unknown: the carrier lists no such call");
    return false;
  }
  CALL_TRY(const bool given_up, with_store(deps_, [&](auto& store) {
             return store::abandon(store, attempt.id, "the carrier lists no such call");
           }));
  if (given_up) {
    deps_.instruments->abandoned.add();
    log_.with("attempt", attempt.id).warn("abandoned: no evidence of a call within the deadline");
  }
  return given_up;
}

/// What it gave us a SID for it has to know: it lost the call, or is not the carrier that we called with.
Result<bool> Reconciler::lose(const store::StaleAttempt& attempt) {
  CALL_TRY(const bool enough, asked_enough(attempt));
  if (!enough) {
    log_.with("attempt", attempt.id).debug("the carrier does not know {}", attempt.call_sid);
    return false;
  }
  CALL_TRY(const bool lost,
           with_store(deps_, [&](auto& store) { return store::lose_call(store, attempt.id); }));
  if (lost) {
    deps_.instruments->abandoned.add();
    log_.with("attempt", attempt.id)
        .error("the carrier does not know {}, the call counts as failed", attempt.call_sid);
  }
  return lost;
}

Result<bool> Reconciler::overdue(const store::StaleAttempt& attempt) {
  const auto call = deps_.carrier->fetch_call(attempt.call_sid, deadline_);
  if (!call) {
    if (call.error().code != Errc::not_found) return call.error();
    return lose(attempt);
  }
  if (!carrier::is_final(call->status)) return false;
  CALL_CHECK(report(attempt, *call));
  deps_.instruments->resolved.add();
  log_.with("attempt", attempt.id)
      .info("its end was never reported; the carrier says {}", to_string(call->status));
  return true;
}

}  // namespace

Result<std::int64_t> reconcile(const Deps& deps, const Options& options,
                               const store::StaleScope& scope, Deadline deadline) {
  return Reconciler(deps, options, deadline).run(scope);
}

}  // namespace call::dialer
