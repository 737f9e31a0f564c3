#include "core/carrier/webhook.hpp"

#include <utility>

#include "core/base/strings.hpp"

namespace call::carrier {
namespace {

using net::find_param;

std::string text_param(const Params& params, std::string_view name) {
  return std::string(net::param_or_empty(params, name));
}

std::optional<int> number_param(const Params& params, std::string_view name) {
  const auto* value = find_param(params, name);
  return value ? parse_number<int>(*value) : std::nullopt;
}

/// Progress events carry RFC 2822 times, stream events ISO 8601 ones.
std::optional<WallTime> time_param(const Params& params) {
  const auto* value = find_param(params, "Timestamp");
  if (!value) return std::nullopt;
  if (auto time = parse_rfc2822(*value)) return time;
  return parse_rfc3339(*value);
}

WebhookKind kind_of(const Params& params) {
  if (find_param(params, "StreamEvent")) return WebhookKind::stream;
  if (text_param(params, "CallbackSource") == "call-progress-events") return WebhookKind::progress;
  if (find_param(params, "AnsweredBy") && !find_param(params, "CallStatus"))
    return WebhookKind::amd;
  return WebhookKind::answer;
}

Result<StreamEvent> parse_stream_event(std::string_view word) {
  if (word == "stream-started") return StreamEvent::started;
  if (word == "stream-stopped") return StreamEvent::stopped;
  if (word == "stream-error") return StreamEvent::error;
  return Error{Errc::invalid_argument,
               "unknown StreamEvent '" + std::string(truncate_utf8(word, 40)) + "'"};
}

}  // namespace

std::string_view to_string(WebhookKind kind) {
  switch (kind) {
    case WebhookKind::answer:
      return "answer";
    case WebhookKind::progress:
      return "progress";
    case WebhookKind::amd:
      return "amd";
    case WebhookKind::stream:
      return "stream";
  }
  return "";
}

Result<StatusEvent> parse_webhook(Params params) {
  StatusEvent event;
  event.kind = kind_of(params);
  event.call_sid = text_param(params, "CallSid");
  if (!is_call_sid(event.call_sid))
    return Error{Errc::invalid_argument,
                 "CallSid is missing or not of the form CA + 32 hex digits"};
  event.account_sid = text_param(params, "AccountSid");
  if (const auto* word = find_param(params, "CallStatus")) {
    event.status = parse_call_status(*word);
    if (!event.status)
      return Error{Errc::invalid_argument,
                   "unknown CallStatus '" + std::string(truncate_utf8(*word, 40)) + "'"};
  } else if (event.kind == WebhookKind::progress) {
    return Error{Errc::invalid_argument, "a progress event without CallStatus"};
  }
  if (const auto* word = find_param(params, "AnsweredBy")) {
    // A verdict that we do not know yet is no verdict, rather than a lost event.
    event.answered_by = parse_answered_by(*word).value_or(AnsweredBy::unknown);
  }
  if (const auto* word = find_param(params, "StreamEvent")) {
    CALL_TRY(event.stream_event, parse_stream_event(*word));
  }
  event.sequence = number_param(params, "SequenceNumber");
  event.timestamp = time_param(params);
  if (const auto seconds = number_param(params, "CallDuration"))
    event.duration = std::chrono::seconds(*seconds);
  event.sip_code = number_param(params, "SipResponseCode");
  event.stream_sid = text_param(params, "StreamSid");
  event.stream_error = text_param(params, "StreamError");
  event.params = std::move(params);
  return event;
}

}  // namespace call::carrier
