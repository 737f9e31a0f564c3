#include "cmd/list_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/session.hpp"

namespace call::cmd {

using nlohmann::json;

json time_or_null(const std::optional<WallTime>& time) {
  return time ? json(to_rfc3339(*time)) : json();
}

namespace {

json rate_json(const store::AbandonRate& rate) {
  return {{"answered", rate.answered}, {"silent", rate.silent}, {"percent", rate.percent()}};
}

}  // namespace

json to_json(const store::ListSummary& summary) {
  const auto& list = summary.list;
  const auto& counts = summary.counts;
  using store::EntryState;
  using store::Outcome;
  json outcomes = json::object();
  for (int i = 0; i < static_cast<int>(counts.by_outcome.size()); ++i) {
    const auto outcome = static_cast<Outcome>(i);
    outcomes[std::string(store::to_string(outcome))] = counts.of(outcome);
  }
  return {
      {"id", list.id},
      {"name", list.name},
      {"tenant", list.tenant},
      {"state", store::to_string(list.state)},
      {"reason", list.reason},
      {"agent", list.settings.agent},
      {"from", list.settings.from_number},
      {"caller_pool", list.settings.caller_pool},
      {"policy", list.settings.policy},
      {"tenant_policy", list.tenant_policy},
      {"priority", list.settings.priority},
      {"concurrency", list.settings.concurrency},
      {"calls_per_second", list.settings.calls_per_second},
      {"ring_timeout_s", list.settings.ring_timeout.count()},
      {"time_limit_s", list.settings.time_limit.count()},
      {"max_attempts", list.settings.max_attempts},
      {"retry_after_s", list.settings.retry_after.count()},
      {"amd", store::to_string(list.settings.amd)},
      {"on_machine", store::to_string(list.settings.on_machine)},
      {"entries", counts.total},
      {"pending", counts.of(EntryState::pending) + counts.of(EntryState::retry_wait)},
      {"active", counts.of(EntryState::dialing) + counts.of(EntryState::in_call)},
      {"done", counts.of(EntryState::done)},
      {"outcomes", outcomes},
      {"attempts", counts.attempts},
      {"open_attempts", counts.open_attempts},
      {"unknown_attempts", counts.unknown_attempts},
      {"abandoned_attempts", counts.abandoned_attempts},
      {"abandon_rate_24h", rate_json(counts.abandoned_24h)},
      {"abandon_rate_30d", rate_json(counts.abandoned_30d)},
      {"start_at", time_or_null(list.start_at)},
      {"created_at", to_rfc3339(list.created_at)},
      {"started_at", time_or_null(list.started_at)},
      {"finished_at", time_or_null(list.finished_at)},
  };
}

json to_json(const store::Entry& entry, const Session& session, bool full_numbers) {
  const auto phone = entry.phone.empty() ? entry.phone_raw : entry.phone;
  json row = {
      {"seq", entry.seq},
      {"id", entry.id},
      {"phone", full_numbers ? phone : session.number(phone)},
      {"name", entry.name},
      {"priority", entry.priority},
      {"timezone", entry.timezone.empty() ? json() : json(entry.timezone)},
      {"not_after", time_or_null(entry.not_after)},
      {"state", store::to_string(entry.state)},
      {"outcome", entry.outcome ? json(store::to_string(*entry.outcome)) : json()},
      {"reason", entry.reason.empty() ? json() : json(entry.reason)},
      {"attempts", entry.attempts},
      {"next_attempt_at", time_or_null(entry.next_attempt_at)},
      {"from", nullptr},
      {"call_sid", nullptr},
      {"answered_by", nullptr},
      {"answered_at", nullptr},
      {"duration_s", nullptr},
      {"ended_at", nullptr},
      {"carrier_error", nullptr},
      {"message", nullptr},
      {"record", entry.record_path.empty() ? json() : json(entry.record_path)},
  };
  if (entry.last_attempt) {
    const auto& attempt = *entry.last_attempt;
    row["from"] = full_numbers ? attempt.from_number : session.number(attempt.from_number);
    if (!attempt.call_sid.empty()) row["call_sid"] = attempt.call_sid;
    if (!attempt.answered_by.empty()) row["answered_by"] = attempt.answered_by;
    row["answered_at"] = time_or_null(attempt.answered_at);
    if (attempt.duration_s) row["duration_s"] = *attempt.duration_s;
    row["ended_at"] = time_or_null(attempt.ended_at);
    if (!attempt.error_code.empty()) row["carrier_error"] = attempt.error_code;
    if (!attempt.error_message.empty()) row["message"] = attempt.error_message;
  }
  row["variables"] = json::parse(entry.variables_json, nullptr, false);
  return row;
}

Status each_page(store::Connection& connection, std::int64_t tenant_id, std::int64_t list_id,
                 store::EntryFilter filter, std::size_t most,
                 const std::function<Status(const std::vector<store::Entry>&)>& take) {
  constexpr std::size_t kPage = 1000;
  while (most > 0) {
    filter.limit = static_cast<int>(std::min(kPage, most));
    CALL_TRY(const auto page, store::entries(connection, tenant_id, list_id, filter));
    if (page.empty()) return {};
    CALL_CHECK(take(page));
    if (page.size() < static_cast<std::size_t>(filter.limit)) return {};
    filter.after_seq = page.back().seq;
    most -= page.size();
  }
  return {};
}

}  // namespace call::cmd
