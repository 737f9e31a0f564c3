#include "core/store/explain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.hpp"
#include "core/store/db.hpp"
#include "core/store/judge.hpp"

namespace call::store {
namespace {

Reason yes(std::string question, std::string detail) {
  return {std::move(question), "yes", std::move(detail), {}};
}
Reason no(std::string question, std::string detail) {
  return {std::move(question), "no", std::move(detail), {}};
}
Reason wait(std::string question, std::string detail, std::optional<WallTime> until = {}) {
  return {std::move(question), "wait", std::move(detail), until};
}

/// What the claim would meet, read in one transaction.
struct Facts {
  WallTime now;
  std::string timezone;
  WallTime next_attempt_at;
  std::optional<WallTime> not_after;
  std::int64_t list_open = 0;
  std::int64_t tenant_open = 0;
  std::optional<std::int64_t> tenant_concurrency;
  std::int64_t account_open = 0;
  std::int64_t account_concurrency = 0;
  std::string detail;  // of the entry's reason
  std::string policy_error;
  std::int64_t callers_free = 1;
  std::string first_list;  // of a higher priority, with something to dial
  bool number_in_call = false;
  std::vector<policy::Check> checks;
  policy::Decision decision;
};

Result<std::pair<std::int64_t, std::int64_t>> locate(Txn& txn, std::string_view reference) {
  const Error missing{
      Errc::not_found,
      fmt::format("there is no entry {}: name it by its id, or by its list and line "
                  "(spring/17); callctl list entries shows both",
                  reference)};
  std::optional<Row> row;
  const auto slash = reference.rfind('/');
  if (slash != std::string_view::npos) {
    const auto seq = parse_number<std::int64_t>(reference.substr(slash + 1));
    if (!seq) return missing;
    const auto list = reference.substr(0, slash);
    row = query_row(txn,
                    "SELECT e.list_id, e.seq FROM entries e JOIN lists l ON l.id = e.list_id WHERE "
                    "(l.name = $1 OR l.id::text = $1) AND e.seq = $2",
                    {list, *seq});
  } else if (const auto id = parse_number<std::int64_t>(reference)) {
    row = query_row(txn, "SELECT list_id, seq FROM entries WHERE id = $1", {*id});
  }
  if (!row) return missing;
  return std::pair(number(*row, "list_id"), number(*row, "seq"));
}

Result<Facts> read_facts(Txn& txn, const Entry& entry, const List& list) {
  const auto row = query(
      txn,
      "SELECT unix_us(now()) AS now, e.timezone, unix_us(e.next_attempt_at) AS next_attempt_at, "
      "unix_us(e.not_after) AS not_after, (SELECT count(*) FROM attempts a WHERE a.list_id = "
      "l.id AND a.state IN ('intent', 'sending', 'placed', 'unknown')) AS list_open, (SELECT "
      "count(*) FROM attempts a WHERE a.tenant_id = l.tenant_id AND a.state IN ('intent', "
      "'sending', 'placed', 'unknown')) AS tenant_open, t.concurrency AS tenant_concurrency, "
      "callers_free(l) AS callers_free, e.detail, (SELECT min(o.name) FROM lists o WHERE "
      "o.tenant_id = l.tenant_id AND o.state = 'running' AND o.priority > l.priority AND "
      "can_dial(o)) AS first_list, EXISTS (SELECT FROM attempts a WHERE a.tenant_id = l.tenant_id "
      "AND a.to_number "
      "= e.phone AND a.entry_id <> e.id AND a.state IN ('intent', 'sending', 'placed', "
      "'unknown')) AS number_in_call FROM entries e JOIN lists l ON l.id = e.list_id JOIN tenants "
      "t ON t.id = l.tenant_id WHERE e.id = $1",
      {entry.id})[0];
  Facts out;
  out.now = time(row, "now");
  out.timezone = text(row, "timezone");
  out.next_attempt_at = time(row, "next_attempt_at");
  out.not_after = optional_time(row, "not_after");
  out.list_open = number(row, "list_open");
  out.tenant_open = number(row, "tenant_open");
  out.tenant_concurrency = optional_number(row, "tenant_concurrency");
  out.callers_free = number(row, "callers_free");
  out.detail = text(row, "detail");
  out.first_list = text(row, "first_list");
  out.number_in_call = flag(row, "number_in_call");
  if (entry.phone.empty()) return out;
  const auto policy = policy_of_list(txn, list.id);
  if (!policy) {
    out.policy_error = policy.error().context;
    return out;
  }
  const auto facts = facts_about(txn, list.tenant_id, *policy, clock_now(txn),
                                 {{entry.id, entry.phone, out.timezone}})[0];
  out.checks = policy::review(*policy, facts);
  out.decision = policy::decide(*policy, facts);
  return out;
}

/// Of all tenants.
Result<std::int64_t> calls_of_account(Txn& txn) {
  const auto row = query(txn,
                         "SELECT count(*) AS open FROM attempts WHERE state IN ('intent', "
                         "'sending', 'placed', 'unknown')")[0];
  return number(row, "open");
}

Reason about_list(const List& list, const Facts& facts) {
  const auto why = list.reason.empty() ? std::string() : ": " + list.reason;
  switch (list.state) {
    case ListState::draft:
      return no("list", fmt::format("it was not started yet (callctl list start {})", list.name));
    case ListState::paused:
      return no("list", fmt::format("it is paused{} (callctl list resume {})", why, list.name));
    case ListState::completed:
    case ListState::cancelled:
    case ListState::failed:
      return no("list", fmt::format("it is {}{}", to_string(list.state), why));
    case ListState::running:
      break;
  }
  if (list.start_at && *list.start_at > facts.now)
    return wait("list", "it starts " + to_rfc3339(*list.start_at), list.start_at);
  return yes("list", "it is running");
}

Reason about_slot(const List& list, const Facts& facts) {
  if (facts.list_open >= list.settings.concurrency)
    return wait("slot", fmt::format("the list has its {} calls at once", facts.list_open));
  if (facts.tenant_concurrency && facts.tenant_open >= *facts.tenant_concurrency)
    return wait("slot", fmt::format("the tenant has its {} calls at once", facts.tenant_open));
  if (facts.account_concurrency > 0 && facts.account_open >= facts.account_concurrency)
    return wait("slot",
                fmt::format("the carrier's account has its {} calls at once, of all tenants",
                            facts.account_open));
  if (facts.callers_free == 0)
    return wait("slot", "the caller id, or each of its pool, has as many calls as it may");
  if (!facts.first_list.empty())
    return wait("slot",
                fmt::format("the list {} of a higher priority goes first", facts.first_list));
  return yes("slot",
             fmt::format("{} of {} calls at once", facts.list_open, list.settings.concurrency));
}

/// "dnc: matches +1900* (us-ftc)"
std::string reason_of(const Explanation& out, const Facts& facts) {
  return out.entry.reason + (facts.detail.empty() ? "" : ": " + facts.detail);
}

void add_reasons(Explanation& out, const Facts& facts) {
  auto& reasons = out.reasons;
  reasons.push_back(about_list(out.list, facts));
  if (facts.not_after) {
    const auto detail = "it must not be called after " + to_rfc3339(*facts.not_after);
    reasons.push_back(*facts.not_after <= facts.now ? no("not_after", detail)
                                                    : yes("not_after", detail));
  }
  if (facts.next_attempt_at > facts.now) {
    reasons.push_back(wait("due",
                           out.entry.reason.empty() ? "its time has not come"
                                                    : "it was put off: " + reason_of(out, facts),
                           facts.next_attempt_at));
  }
  if (facts.number_in_call)
    reasons.push_back(wait("number", "another entry's call to this number is up or undecided"));
  if (!facts.policy_error.empty()) reasons.push_back(no("policy", facts.policy_error));
  for (const auto& check : facts.checks) {
    const auto answer = check.verdict == policy::Verdict::go     ? "yes"
                        : check.verdict == policy::Verdict::wait ? "wait"
                                                                 : "no";
    std::optional<WallTime> until;
    if (check.until) until = *check.until;
    reasons.push_back({std::string(check.name), answer, check.detail, until});
  }
  reasons.push_back(about_slot(out.list, facts));
}

/// Of an entry that waits to be called.
void foretell(Explanation& out, const Facts& facts) {
  const auto answered = [&](std::string_view word) {
    return std::find_if(out.reasons.begin(), out.reasons.end(),
                        [&](const Reason& reason) { return reason.answer == word; });
  };
  const bool resting = out.list.state == ListState::draft || out.list.state == ListState::paused;
  // What stands against it for good says more than that its list rests.
  const auto stop = std::find_if(out.reasons.begin(), out.reasons.end(), [&](const auto& reason) {
    return reason.answer == "no" && !(resting && reason.question == "list") &&
           reason.question != "policy";
  });
  if (stop != out.reasons.end()) {
    out.verdict = "never";
    out.summary = fmt::format("will not be called: {}: {}", stop->question, stop->detail);
    return;
  }
  if (resting) {
    out.verdict = "blocked";
    out.summary = "not called until somebody acts on the list: " + out.reasons.front().detail;
    return;
  }
  if (!facts.policy_error.empty()) {
    out.verdict = "blocked";
    out.summary = "not called until somebody mends the policy: " + facts.policy_error;
    return;
  }
  auto next = std::max(facts.now, facts.next_attempt_at);
  next = std::max(next, WallTime(facts.decision.at));
  if (out.list.start_at) next = std::max(next, *out.list.start_at);
  if (facts.not_after && next >= *facts.not_after) {
    out.verdict = "never";
    out.summary = fmt::format(
        "will expire: the next time would be {}, but it must not be called "
        "after {}",
        to_rfc3339(next), to_rfc3339(*facts.not_after));
    return;
  }
  out.next = next;
  const auto waits = answered("wait");
  if (waits == out.reasons.end()) {
    out.verdict = "now";
    out.summary = "is next in line, when the pace of calls allows";
    return;
  }
  out.verdict = "later";
  out.summary = next > facts.now ? fmt::format("will be called, not before {} ({}: {})",
                                               to_rfc3339(next), waits->question, waits->detail)
                                 : fmt::format("waits ({}: {})", waits->question, waits->detail);
}

/// Why a done entry was called, or was not.
Reason about_end(const Explanation& out, const Facts& facts) {
  const auto& entry = out.entry;
  switch (*entry.outcome) {
    case Outcome::refused:
      return no(entry.reason.empty() ? "entry" : entry.reason,
                facts.detail.empty() ? "it was refused" : facts.detail);
    case Outcome::expired:
      return no("not_after", facts.not_after
                                 ? "it was not to be called after " + to_rfc3339(*facts.not_after)
                                 : "its time was over");
    case Outcome::cancelled:
      return no("list", "its list was cancelled");
    default:
      break;
  }
  const auto called = fmt::format("{} attempt(s), the last one came to {}{}", entry.attempts,
                                  to_string(*entry.outcome),
                                  entry.reason.empty() ? "" : ": " + reason_of(out, facts));
  return yes("called", called);
}

void conclude(Explanation& out, const Facts& facts) {
  const auto& entry = out.entry;
  if (entry.state == EntryState::done) {
    out.verdict = "done";
    out.reasons.push_back(about_end(out, facts));
    out.summary =
        fmt::format("{}{}, after {} attempt(s)", to_string(*entry.outcome),
                    entry.reason.empty() ? "" : " (" + reason_of(out, facts) + ")", entry.attempts);
  } else if (entry.state == EntryState::dialing || entry.state == EntryState::in_call) {
    const bool unknown = entry.last_attempt && entry.last_attempt->state == AttemptState::unknown;
    out.verdict = "in_progress";
    out.summary = unknown ? "a call may be up: its fate is unknown until the carrier gives evidence"
                  : entry.state == EntryState::dialing ? "is being dialed"
                                                       : "is in a call";
  } else {
    add_reasons(out, facts);
    foretell(out, facts);
  }
}

}  // namespace

Result<Explanation> explain_entry(Connection& connection, std::int64_t tenant_id,
                                  std::string_view reference, std::int64_t account_concurrency) {
  std::pair<std::int64_t, std::int64_t> place;
  CALL_TRY(place, in_transaction(connection, tenant_id, "cannot find the entry",
                                 [&](Txn& txn) { return locate(txn, reference); }));
  Explanation out;
  EntryFilter one;
  one.after_seq = place.second - 1;
  one.limit = 1;
  CALL_TRY(auto found, entries(connection, tenant_id, place.first, one));
  if (found.empty()) return Error{Errc::not_found, "the entry is gone"};
  out.entry = std::move(found.front());
  CALL_TRY(out.list, find_list(connection, tenant_id, std::to_string(place.first)));
  CALL_TRY(out.attempts, attempts_of_entry(connection, tenant_id, out.entry.id));
  out.policy = out.list.settings.policy.empty() ? out.list.tenant_policy : out.list.settings.policy;
  CALL_TRY(auto facts,
           in_transaction(connection, tenant_id, "cannot explain the entry",
                          [&](Txn& txn) { return read_facts(txn, out.entry, out.list); }));
  facts.account_concurrency = account_concurrency;
  if (account_concurrency > 0) {
    CALL_TRY(facts.account_open,
             in_transaction(connection, kSystem, "cannot count the calls", calls_of_account));
  }
  conclude(out, facts);
  return out;
}

}  // namespace call::store
