// A carrier webhook (form parameters) as one event. Unknown parameters are kept: Twilio may add
// some at any time.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/carrier/call.hpp"

namespace call::carrier {

enum class WebhookKind {
  answer,    ///< the carrier asks for TwiML (answer, action, redirect)
  progress,  ///< status callback: CallbackSource=call-progress-events
  amd,       ///< asynchronous answering machine verdict
  stream,    ///< media stream started, stopped, failed
};
std::string_view to_string(WebhookKind kind);

enum class StreamEvent { started, stopped, error };

struct StatusEvent {
  WebhookKind kind = WebhookKind::answer;
  std::string call_sid;     ///< always a proper SID
  std::string account_sid;  ///< empty when absent
  std::optional<CallStatus> status;
  std::optional<int>
      sequence;  ///< SequenceNumber: orders progress events, which arrive in any order
  std::optional<WallTime> timestamp;
  std::optional<AnsweredBy> answered_by;
  std::optional<std::chrono::seconds> duration;  ///< CallDuration
  std::optional<int> sip_code;                   ///< SipResponseCode
  std::optional<StreamEvent> stream_event;
  std::string stream_sid;
  std::string stream_error;
  Params params;  ///< everything, as received
};

/// Errc::invalid_argument when CallSid is missing or odd, or a status word is unknown. Numbers and
/// times that do not parse are absent, not errors: the event still counts.
Result<StatusEvent> parse_webhook(Params params);

}  // namespace call::carrier
