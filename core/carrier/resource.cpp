#include "core/carrier/resource.hpp"

#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/json/json.hpp"

namespace call::carrier {
namespace {

constexpr json::Limits kLimits{.bytes = 8U << 20, .depth = 16};

/// Numbers arrive as strings ("duration": "15"); a compatible carrier may send real ones.
std::optional<std::int64_t> number_field(const Json& object, const char* name) {
  const auto* value = json::find(object, name);
  if (!value) return std::nullopt;
  if (value->is_number_integer()) return value->get<std::int64_t>();
  if (!value->is_string()) return std::nullopt;
  return parse_number<std::int64_t>(value->get_ref<const std::string&>());
}

std::string text_field(const Json& object, const char* name) {
  const auto* value = json::find(object, name);
  return value && value->is_string() ? value->get<std::string>() : std::string();
}

std::optional<WallTime> time_field(const Json& object, const char* name) {
  return parse_rfc2822(text_field(object, name));
}

Error odd(std::string_view what) {
  return {Errc::protocol, "the carrier's answer " + std::string(what)};
}

Result<Call> to_call(const Json& object) {
  if (!object.is_object()) return odd("is not a JSON object");
  Call call;
  call.sid = text_field(object, "sid");
  if (!is_call_sid(call.sid)) return odd("has no proper call SID");
  const auto status = parse_call_status(text_field(object, "status"));
  if (!status) return odd("has no known call status");
  call.status = *status;
  call.to = text_field(object, "to");
  call.from = text_field(object, "from");
  call.date_created = time_field(object, "date_created");
  call.start_time = time_field(object, "start_time");
  call.end_time = time_field(object, "end_time");
  if (const auto n = number_field(object, "duration")) call.duration = std::chrono::seconds(*n);
  if (const auto n = number_field(object, "queue_time"))
    call.queue_time = std::chrono::milliseconds(*n);
  call.answered_by = parse_answered_by(text_field(object, "answered_by"));
  return call;
}

}  // namespace

std::optional<ErrorBody> parse_error_body(std::string_view body) {
  const auto document = json::parse(body, kLimits, "the carrier's error");
  if (!document || !document.value().is_object()) return std::nullopt;
  const auto code = number_field(document.value(), "code");
  if (!code || *code <= 0 || *code > 99999) return std::nullopt;
  return ErrorBody{static_cast<int>(*code), text_field(document.value(), "message")};
}

Result<Call> parse_call(std::string_view body) {
  auto document = json::parse(body, kLimits, "the carrier's answer");
  if (!document) return odd("is not JSON");
  return to_call(*document);
}

Result<std::vector<std::string>> parse_event_urls(std::string_view body) {
  auto document = json::parse(body, kLimits, "the carrier's answer");
  if (!document) return odd("is not JSON");
  const auto* events = json::find(*document, "events");
  if (!events || !events->is_array()) return odd("has no list of events");
  std::vector<std::string> urls;
  for (const auto& event : *events) {
    const auto* url = json::find(event, "request.url");
    if (url && url->is_string()) urls.push_back(url->get<std::string>());
  }
  return urls;
}

Result<CallPage> parse_call_page(std::string_view body) {
  auto document = json::parse(body, kLimits, "the carrier's answer");
  if (!document) return odd("is not JSON");
  const auto* calls = json::find(*document, "calls");
  if (!calls || !calls->is_array()) return odd("has no list of calls");
  CallPage page;
  for (const auto& entry : *calls) {
    CALL_TRY(auto call, to_call(entry));
    page.calls.push_back(std::move(call));
  }
  page.next_page_uri = text_field(*document, "next_page_uri");
  return page;
}

}  // namespace call::carrier
