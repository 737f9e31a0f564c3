// The carrier's REST API (Twilio 2010-04-01 and compatible). Every function is one HTTP request on
// one fresh connection (list_calls: one per page), never repeated: whether to try again is the
// caller's decision, because a second create-call can ring a telephone twice.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/carrier/call.hpp"

namespace call::carrier {

constexpr std::size_t kMaxInlineTwiml =
    4000;  ///< characters; Twilio refuses longer Twiml parameters

/// Progress reports to ask for; Twilio sends only `completed` unless told otherwise.
enum class ProgressEvent { initiated, ringing, answered, completed };
std::string_view to_string(ProgressEvent event);

/// Answering machine detection. Zero thresholds leave Twilio's defaults.
struct MachineDetection {
  bool wait_for_message_end = false;  ///< DetectMessageEnd instead of Enable
  std::string
      async_callback_url;  ///< set: AsyncAmd, the call goes on and the verdict is posted here
  std::chrono::seconds timeout{0};
  std::chrono::milliseconds speech_threshold{0};      ///< 1000 to 6000
  std::chrono::milliseconds speech_end_threshold{0};  ///< 500 to 5000
  std::chrono::milliseconds silence_timeout{0};       ///< 2000 to 10000
};

struct CreateCall {
  std::string to;    ///< E.164
  std::string from;  ///< E.164
  std::string
      twiml;  ///< inline document, at most kMaxInlineTwiml characters; exactly one of twiml and url
  std::string url;  ///< where the carrier fetches the document when the call is answered
  std::string fallback_url;
  std::string status_callback;
  std::vector<ProgressEvent> events{ProgressEvent::initiated, ProgressEvent::ringing,
                                    ProgressEvent::answered, ProgressEvent::completed};
  std::chrono::seconds ring_timeout{60};           ///< 5 to 600; the carrier may add 5
  std::optional<std::chrono::seconds> time_limit;  ///< longest call
  std::string send_digits;  ///< after answer; switches detection off at Twilio
  std::optional<MachineDetection> machine_detection;
};

/// What is known after a create-call. The kinds are the attempt protocol's (outbound calls are not
/// idempotent):
///  placed     the carrier took the call: `sid`, `status`, `queue_time` are set
///  rejected   the carrier refused it for good: `http_status` (0: refused here, nothing sent),
///  `code`, `why` throttled  HTTP 429, the one answer that proves that no call was made:
///  `retry_after` if the carrier said not_sent   no byte of the request left this machine: `why`.
///  Trying again is safe unknown    anything else (time-out, reset, 5xx, a 201 without a proper
///  SID): a telephone may be ringing
struct CreateOutcome {
  enum class Kind { placed, rejected, throttled, not_sent, unknown };
  Kind kind = Kind::unknown;
  std::string sid;
  CallStatus status = CallStatus::queued;
  std::optional<std::chrono::milliseconds> queue_time;
  int http_status = 0;  ///< 0 when no answer was read
  int code = 0;         ///< the carrier's error code, e.g. 21211; 0 when there is none
  std::optional<std::chrono::milliseconds> retry_after;
  std::string why;  ///< one sentence for the log and the operator
};
std::string_view to_string(CreateOutcome::Kind kind);

/// A change to a call that exists.
struct UpdateCall {
  enum class Action {
    complete,  ///< hang up, whatever the state
    cancel,    ///< only while queued or ringing; leaves an answered call alone
    redirect,  ///< run `twiml` now
  };
  Action action = Action::complete;
  std::string twiml;
};
enum class UpdateOutcome { updated, already_over };

/// Filters of list_calls; empty ones are not sent. `start_date` is a UTC day "2026-11-23": calls
/// that started on it. A call that was not dialed yet has no start time: look for it with status =
/// queued and no date.
struct ListCalls {
  std::string to;
  std::string from;
  std::optional<CallStatus> status;
  std::string start_date;
  int page_size = 100;           ///< 1 to 1000
  std::size_t max_calls = 1000;  ///< reading stops there
};

struct Options {
  std::string base_url = "https://api.twilio.com";  ///< scheme, host, port; no path
  std::string account_sid;
  Secret auth_token;
  Secret secondary_token;  ///< the other token during a rotation; accepted in signatures, never
                           ///< used to sign in
  std::chrono::milliseconds timeout{30000};  ///< of one request; a sooner Deadline wins
};

/// Immutable after construction; thread-safe. All functions block.
class Carrier {
 public:
  explicit Carrier(Options options);
  const Options& options() const { return options_; }

  /// `still_wanted`: asked once connected; false is not_sent.
  CreateOutcome create_call(const CreateCall& request, Deadline deadline,
                            const std::function<bool()>& still_wanted = {}) const;
  /// already_over when the carrier no longer knows a live call of that SID (404 / 20404, or 21220
  /// on a hang-up).
  Result<UpdateOutcome> update_call(std::string_view sid, const UpdateCall& update,
                                    Deadline deadline) const;
  Result<Call> fetch_call(std::string_view sid, Deadline deadline) const;
  /// The addresses of the requests that the carrier made for a call, as it remembers them (Twilio: for
  /// 30 days). Ours carry the attempt's token: the one proof of whose call it is.
  Result<std::vector<std::string>> call_event_urls(std::string_view sid, Deadline deadline) const;
  /// Newest first, as the carrier lists them.
  Result<std::vector<Call>> list_calls(const ListCalls& filter, Deadline deadline) const;

 private:
  Options options_;
};

}  // namespace call::carrier
