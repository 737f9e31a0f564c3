// The simulator's calls as plain data: what was asked for, what the REST API shows, what is
// counted. Values: the loop owns the originals, everybody else gets copies.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/carrier/call.hpp"
#include "core/carrier/carrier.hpp"
#include "core/sim/faults.hpp"

namespace call::sim {

/// Where a document comes from or an event goes to.
struct Hook {
  std::string url;  ///< empty: none
  std::string method = "POST";
};

struct AmdRequest {
  bool message_end = false;
  bool async = false;
  Hook callback;
  std::chrono::milliseconds timeout{30000};
  std::chrono::milliseconds speech_threshold{2400};
  std::chrono::milliseconds speech_end_threshold{1200};
  std::chrono::milliseconds silence_timeout{5000};
};

/// A valid create-call.
struct CallRequest {
  std::string to;
  std::string from;
  std::string twiml;  ///< when `answer.url` is empty
  Hook answer;
  Hook fallback;
  Hook status_callback;
  std::vector<carrier::ProgressEvent> events{carrier::ProgressEvent::completed};
  std::chrono::seconds ring_timeout{60};
  std::chrono::seconds time_limit{14400};
  std::optional<AmdRequest> amd;
};

/// A valid update-call: an end, or a new document.
struct CallUpdate {
  enum class Action { complete, cancel, redirect };
  Action action = Action::complete;
  std::string twiml;
  Hook url;
};

struct Warning {
  int code = 0;  ///< Twilio's, e.g. 31921
  std::string text;
};

/// What is counted while a call lives. Times are milliseconds of the call, from its creation.
struct Summary {
  std::int64_t said_ms = 0;   ///< the callee's words
  std::int64_t heard_ms = 0;  ///< outbound audio that was played
  std::size_t lines_said = 0;
  std::size_t gaps = 0;  ///< of outbound audio, playback.hpp says what counts
  std::size_t gaps_while_late =
      0;  ///< the same, but while this simulator itself lagged: not the agent's fault
  std::int64_t longest_gap_ms = 0;
  std::size_t barge_ins = 0;                   ///< the callee began to speak over the agent
  std::vector<std::int64_t> barge_in_stop_ms;  ///< until `clear` silenced the agent
  std::vector<std::int64_t>
      turn_gap_ms;  ///< from the end of the callee's words to the first audible answer
  std::size_t marks = 0;
  std::size_t clears = 0;
  std::size_t streams = 0;
  std::size_t webhooks_delivered = 0;
  std::size_t webhooks_failed = 0;
  std::string ended_by;  ///< callee, api, twiml, time limit, ...
  std::vector<Warning> warnings;
};

/// One request that the carrier made for a call, for the resource Events. status 0: no answer.
struct HookRecord {
  std::string method;
  std::string url;
  std::string call_status;
  int status = 0;
  WallTime at;
};

/// The call's state as the REST API and /sim show it.
struct CallState {
  std::string sid;
  std::uint64_t serial = 0;  ///< order of creation
  std::string callee;        ///< label of the script
  CallRequest request;
  carrier::CallStatus status = carrier::CallStatus::queued;
  WallTime created;
  WallTime updated;
  std::optional<WallTime> started;  ///< dialed
  std::optional<WallTime> answered;
  std::optional<WallTime> ended;
  std::chrono::milliseconds queue_time{0};
  std::optional<carrier::AnsweredBy> answered_by;
  Faults faults;
  std::vector<HookRecord> hooks;
  Summary summary;
};

/// A moment's view of all calls, oldest first. Calls that are over are shared, those that live are
/// copies.
using Calls = std::vector<std::shared_ptr<const CallState>>;

/// Whole seconds between answer and end, rounded up; nullopt when never answered or still going on.
std::optional<std::int64_t> duration_s(const CallState& call);

/// How the simulator itself does.
struct ClockHealth {
  std::uint64_t frames = 0;       ///< 20 ms steps of all streams
  std::uint64_t late_frames = 0;  ///< more than 10 ms behind their time
  std::int64_t worst_ms = 0;
};

}  // namespace call::sim
