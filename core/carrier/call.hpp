// A call as Twilio's REST API and webhooks describe it: status words, their order, the Call
// resource. Source of the words: Twilio's OpenAPI description of 2010-04-01 and the Call resource
// page. All pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/net/form.hpp"

namespace call::carrier {

using net::Params;

/// `initiated` appears in webhooks only, the others in REST answers as well.
enum class CallStatus {
  queued,
  initiated,
  ringing,
  in_progress,
  completed,
  busy,
  failed,
  no_answer,
  canceled,
};

/// Twilio's word: "in-progress", "no-answer", ...
std::string_view to_string(CallStatus status);
std::optional<CallStatus> parse_call_status(std::string_view word);

/// Order of a call's life: queued 0 < initiated 1 < ringing 2 < in_progress 3 < every final
/// status 4.
int rank(CallStatus status);
bool is_final(CallStatus status);
/// True when a report of `next` may replace `current`: strictly higher rank. Reports arrive late,
/// twice and out of order; with this test a status never moves backwards and the first final status
/// stays.
bool advances(CallStatus current, CallStatus next);

/// Who picked up, by answering machine detection.
enum class AnsweredBy {
  human,
  machine_start,
  machine_end_beep,
  machine_end_silence,
  machine_end_other,
  fax,
  unknown,
};
std::string_view to_string(AnsweredBy who);
std::optional<AnsweredBy> parse_answered_by(std::string_view word);
/// machine_* and fax: no person is listening.
bool is_machine(AnsweredBy who);

/// ^CA[0-9a-f]{32}$ : the only form in which a call is believed to exist.
bool is_call_sid(std::string_view text);

/// The Call resource, as far as calld reads it. Absent and null fields are nullopt or empty.
struct Call {
  std::string sid;
  CallStatus status = CallStatus::queued;
  std::string to;
  std::string from;
  std::optional<WallTime> date_created;
  std::optional<WallTime> start_time;  ///< absent until dialed
  std::optional<WallTime> end_time;
  std::optional<std::chrono::seconds> duration;
  std::optional<std::chrono::milliseconds> queue_time;
  std::optional<AnsweredBy> answered_by;
};

}  // namespace call::carrier
