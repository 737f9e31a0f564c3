#include "core/sim/resource.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json/json.hpp"

namespace call::sim {
namespace {

using Ordered = nlohmann::ordered_json;

constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kSubresources{{
    {"events", "Events"},
    {"notifications", "Notifications"},
    {"payments", "Payments"},
    {"recordings", "Recordings"},
    {"siprec", "Siprec"},
    {"streams", "Streams"},
    {"transcriptions", "Transcriptions"},
    {"user_defined_message_subscriptions", "UserDefinedMessageSubscriptions"},
    {"user_defined_messages", "UserDefinedMessages"},
}};

Ordered time_or_null(const std::optional<WallTime>& time) {
  return time ? Ordered(to_rfc2822(*time)) : Ordered(nullptr);
}

Ordered text_or_null(std::string_view text) {
  return text.empty() ? Ordered(nullptr) : Ordered(text);
}

/// "(202) 555-0101" for North American numbers, E.164 for others, as Twilio does.
std::string formatted(const std::string& number) {
  if (number.size() != 12 || !number.starts_with("+1")) return number;
  return "(" + number.substr(2, 3) + ") " + number.substr(5, 3) + "-" + number.substr(8);
}

/// The REST API has no "initiated": such a call is still queued.
std::string_view rest_status(carrier::CallStatus status) {
  return to_string(status == carrier::CallStatus::initiated ? carrier::CallStatus::queued : status);
}

Ordered to_resource(const CallState& call, const std::string& account_sid) {
  const auto base = "/2010-04-01/Accounts/" + account_sid + "/Calls/" + call.sid;
  Ordered subresources;
  for (const auto& [name, path] : kSubresources)
    subresources[std::string(name)] = base + "/" + std::string(path) + ".json";
  const auto duration = duration_s(call);
  Ordered out;
  out["account_sid"] = account_sid;
  out["answered_by"] = call.answered_by ? Ordered(to_string(*call.answered_by)) : Ordered(nullptr);
  out["api_version"] = "2010-04-01";
  out["caller_name"] = nullptr;
  out["date_created"] = to_rfc2822(call.created);
  out["date_updated"] = to_rfc2822(call.updated);
  out["direction"] = "outbound-api";
  out["duration"] = duration ? Ordered(std::to_string(*duration)) : Ordered(nullptr);
  out["end_time"] = time_or_null(call.ended);
  out["forwarded_from"] = nullptr;
  out["from"] = call.request.from;
  out["from_formatted"] = formatted(call.request.from);
  out["group_sid"] = nullptr;
  out["parent_call_sid"] = nullptr;
  out["phone_number_sid"] = nullptr;
  out["price"] = nullptr;
  out["price_unit"] = "USD";
  out["queue_time"] = std::to_string(call.queue_time.count());
  out["sid"] = call.sid;
  out["start_time"] = time_or_null(call.started);
  out["status"] = rest_status(call.status);
  out["subresource_uris"] = std::move(subresources);
  out["to"] = call.request.to;
  out["to_formatted"] = formatted(call.request.to);
  out["trunk_sid"] = nullptr;
  out["uri"] = base + ".json";
  return out;
}

std::string dump(const Ordered& value, int indent = -1) {
  return value.dump(indent, ' ', false, Ordered::error_handler_t::replace);
}

Ordered warnings_json(const std::vector<Warning>& warnings) {
  auto out = Ordered::array();
  for (const auto& warning : warnings)
    out.push_back({{"code", warning.code}, {"text", warning.text}});
  return out;
}

Ordered to_truth(const CallState& call) {
  const auto& sum = call.summary;
  const auto rfc3339 = [](const std::optional<WallTime>& time) {
    return time ? Ordered(to_rfc3339(*time, 3)) : Ordered(nullptr);
  };
  Ordered out;
  out["sid"] = call.sid;
  out["callee"] = text_or_null(call.callee);
  out["to"] = call.request.to;
  out["from"] = call.request.from;
  out["status"] = to_string(call.status);
  out["answered_by"] = call.answered_by ? Ordered(to_string(*call.answered_by)) : Ordered(nullptr);
  out["created"] = to_rfc3339(call.created, 3);
  out["answered"] = rfc3339(call.answered);
  out["ended"] = rfc3339(call.ended);
  out["ended_by"] = text_or_null(sum.ended_by);
  out["said_ms"] = sum.said_ms;
  out["heard_ms"] = sum.heard_ms;
  out["lines_said"] = sum.lines_said;
  out["gaps"] = sum.gaps;
  out["gaps_while_late"] = sum.gaps_while_late;
  out["longest_gap_ms"] = sum.longest_gap_ms;
  out["barge_ins"] = sum.barge_ins;
  out["barge_in_stop_ms"] = sum.barge_in_stop_ms;
  out["turn_gap_ms"] = sum.turn_gap_ms;
  out["marks"] = sum.marks;
  out["clears"] = sum.clears;
  out["streams"] = sum.streams;
  out["webhooks_delivered"] = sum.webhooks_delivered;
  out["webhooks_failed"] = sum.webhooks_failed;
  out["warnings"] = warnings_json(sum.warnings);
  return out;
}

/// Nearest-rank percentiles; null without samples.
Ordered spread(std::vector<std::int64_t> values) {
  if (values.empty()) return nullptr;
  std::sort(values.begin(), values.end());
  const auto rank = [&values](std::size_t percent) {
    const auto index = (values.size() * percent + 99) / 100;
    return values[std::max<std::size_t>(index, 1) - 1];
  };
  return {{"count", values.size()},
          {"p50", rank(50)},
          {"p90", rank(90)},
          {"p99", rank(99)},
          {"max", values.back()}};
}

void append(std::vector<std::int64_t>& into, const std::vector<std::int64_t>& from) {
  into.insert(into.end(), from.begin(), from.end());
}

}  // namespace

std::optional<std::int64_t> duration_s(const CallState& call) {
  if (!call.answered || !call.ended) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(*call.ended - *call.answered).count();
}

std::string call_resource(const CallState& call, const std::string& account_sid) {
  return dump(to_resource(call, account_sid));
}

std::string page_resource(const Page& page, const std::string& account_sid) {
  Ordered out;
  out["calls"] = Ordered::array();
  for (const auto& call : page.calls) out["calls"].push_back(to_resource(*call, account_sid));
  const auto start = page.page * page.page_size;
  out["end"] = page.calls.empty() ? start : start + page.calls.size() - 1;
  out["first_page_uri"] = page.first_uri;
  out["next_page_uri"] = text_or_null(page.next_uri);
  out["page"] = page.page;
  out["page_size"] = page.page_size;
  out["previous_page_uri"] = text_or_null(page.previous_uri);
  out["start"] = start;
  out["uri"] = page.this_uri;
  return dump(out);
}

std::string events_resource(const CallState& call, const std::string& account_sid) {
  const auto uri = "/2010-04-01/Accounts/" + account_sid + "/Calls/" + call.sid + "/Events.json";
  Ordered out;
  out["events"] = Ordered::array();
  for (const auto& hook : call.hooks) {
    Ordered parameters;
    parameters["call_sid"] = call.sid;
    parameters["call_status"] = hook.call_status;
    Ordered event;
    event["request"] = {
        {"method", hook.method}, {"url", hook.url}, {"parameters", std::move(parameters)}};
    event["response"] = {{"response_code", hook.status}, {"date_created", to_rfc2822(hook.at)}};
    out["events"].push_back(std::move(event));
  }
  out["end"] = call.hooks.empty() ? 0 : call.hooks.size() - 1;
  out["first_page_uri"] = uri + "?PageSize=100&Page=0";
  out["next_page_uri"] = nullptr;
  out["page"] = 0;
  out["page_size"] = 100;
  out["previous_page_uri"] = nullptr;
  out["start"] = 0;
  out["uri"] = uri;
  return dump(out);
}

net::HttpResponse error_response(int status, int code, std::string_view message) {
  Ordered out;
  out["code"] = code;
  out["message"] = message;
  out["more_info"] = "https://www.twilio.com/docs/errors/" + std::to_string(code);
  out["status"] = status;
  return net::json_response(status, dump(out));
}

std::string truth_of_call(const CallState& call) {
  return dump(to_truth(call), 2);
}

std::string truth_of_calls(const Calls& calls) {
  auto list = Ordered::array();
  for (const auto& call : calls) list.push_back(to_truth(*call));
  return dump(Ordered{{"calls", std::move(list)}});
}

std::string report(const Calls& calls, const ClockHealth& clock) {
  std::map<std::string, std::size_t> by_status;
  std::map<std::string, std::size_t> by_warning;
  std::vector<std::int64_t> stops;
  std::vector<std::int64_t> turns;
  Summary total;
  for (const auto& call : calls) {
    const auto& sum = call->summary;
    ++by_status[std::string(to_string(call->status))];
    for (const auto& warning : sum.warnings) ++by_warning[std::to_string(warning.code)];
    append(stops, sum.barge_in_stop_ms);
    append(turns, sum.turn_gap_ms);
    total.said_ms += sum.said_ms;
    total.heard_ms += sum.heard_ms;
    total.gaps += sum.gaps;
    total.gaps_while_late += sum.gaps_while_late;
    total.longest_gap_ms = std::max(total.longest_gap_ms, sum.longest_gap_ms);
    total.barge_ins += sum.barge_ins;
    total.webhooks_delivered += sum.webhooks_delivered;
    total.webhooks_failed += sum.webhooks_failed;
  }
  Ordered out;
  out["calls"] = calls.size();
  out["by_status"] = by_status;
  out["said_ms"] = total.said_ms;
  out["heard_ms"] = total.heard_ms;
  out["gaps"] = total.gaps;
  out["gaps_while_late"] = total.gaps_while_late;
  out["longest_gap_ms"] = total.longest_gap_ms;
  out["barge_ins"] = total.barge_ins;
  out["barge_in_stop_ms"] = spread(std::move(stops));
  out["turn_gap_ms"] = spread(std::move(turns));
  out["webhooks_delivered"] = total.webhooks_delivered;
  out["webhooks_failed"] = total.webhooks_failed;
  out["warnings"] = by_warning;
  out["clock"] = {
      {"frames", clock.frames}, {"late_frames", clock.late_frames}, {"worst_ms", clock.worst_ms}};
  return dump(out, 2);
}

}  // namespace call::sim
