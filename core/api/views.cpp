#include "core/api/views.hpp"

#include <nlohmann/json.hpp>

#include "core/json/json.hpp"

namespace call::api {
namespace {

Json time_or_null(const std::optional<WallTime>& time) {
  return time ? Json(to_rfc3339(*time)) : Json();
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json rate_json(const store::AbandonRate& rate) {
  return {{"answered", rate.answered}, {"silent", rate.silent}, {"percent", rate.percent()}};
}

Json document(const std::string& text) {
  auto parsed = json::parse(text);
  return parsed ? *std::move(parsed) : Json();
}

}  // namespace

Json view(const store::ListSummary& summary) {
  using store::EntryState;
  const auto& list = summary.list;
  const auto& counts = summary.counts;
  Json outcomes = Json::object();
  for (std::size_t i = 0; i < counts.by_outcome.size(); ++i)
    outcomes[std::string(to_string(static_cast<store::Outcome>(i)))] = counts.by_outcome.at(i);
  return {
      {"id", list.id},
      {"name", list.name},
      {"tenant", list.tenant},
      {"state", to_string(list.state)},
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
      {"amd", to_string(list.settings.amd)},
      {"on_machine", to_string(list.settings.on_machine)},
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

Json view(const store::Attempt& attempt) {
  return {
      {"id", attempt.id},
      {"list", attempt.list_id},
      {"entry", attempt.entry_id},
      {"n", attempt.n},
      {"state", to_string(attempt.state)},
      {"to", attempt.to_number},
      {"from", attempt.from_number},
      {"call_sid", text_or_null(attempt.call_sid)},
      {"status", attempt.status ? Json(to_string(*attempt.status)) : Json()},
      {"answered_by", text_or_null(attempt.answered_by)},
      {"error_code", text_or_null(attempt.error_code)},
      {"error_message", text_or_null(attempt.error_message)},
      {"duration_s", attempt.duration_s ? Json(*attempt.duration_s) : Json()},
      {"created_at", to_rfc3339(attempt.created_at)},
      {"sent_at", time_or_null(attempt.sent_at)},
      {"answered_at", time_or_null(attempt.answered_at)},
      {"ended_at", time_or_null(attempt.ended_at)},
  };
}

Json view(const store::Entry& entry) {
  return {
      {"id", entry.id},
      {"seq", entry.seq},
      {"phone", entry.phone.empty() ? entry.phone_raw : entry.phone},
      {"name", entry.name},
      {"variables", document(entry.variables_json)},
      {"priority", entry.priority},
      {"state", to_string(entry.state)},
      {"outcome", entry.outcome ? Json(to_string(*entry.outcome)) : Json()},
      {"reason", text_or_null(entry.reason)},
      {"attempts", entry.attempts},
      {"next_attempt_at", time_or_null(entry.next_attempt_at)},
      {"last_attempt", entry.last_attempt ? view(*entry.last_attempt) : Json()},
  };
}

Json view(const store::CallEvent& event) {
  return {
      {"kind", event.kind},
      {"call_sid", text_or_null(event.call_sid)},
      {"sequence", event.sequence ? Json(*event.sequence) : Json()},
      {"received_at", to_rfc3339(event.received_at, 3)},
      {"params", document(event.params_json)},
  };
}

net::HttpResponse json_answer(int status, const Json& body) {
  return net::json_response(status, json::dump(body) + "\n");
}

}  // namespace call::api
