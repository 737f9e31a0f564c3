// A call from the moment it is queued until its last webhook is delivered: dialing, answering
// machine detection, TwiML, media, hang-up. On the loop; keeps itself alive through what it waits
// for.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/deadline.hpp"
#include "core/base/secret.hpp"
#include "core/carrier/twiml.hpp"
#include "core/runtime/timer.hpp"
#include "core/sim/media_stream.hpp"
#include "core/sim/script.hpp"
#include "core/sim/voices.hpp"
#include "core/sim/webhooks.hpp"

namespace call::sim {

struct Verdict;

/// What all calls share. Outlives them.
struct Facilities {
  runtime::Loop& loop;
  std::string account_sid;
  Secret auth_token;
  std::uint64_t seed;
  Webhooks& webhooks;
  Voices& voices;
  TruthWriter& truth;
  MediaClock& clock;
};

class LiveCall final : public std::enable_shared_from_this<LiveCall>, private StreamOwner {
 public:
  /// `reported`: the first webhook is delivered or given up. `over`: the call is final and nothing
  /// more will be sent for it.
  LiveCall(Facilities& facilities, std::shared_ptr<CallState> state, CallerScript callee,
           std::function<void()> reported, std::function<void()> over);

  void dial_at(MonoClock::time_point slot);

  enum class Update { done, over, not_in_progress };
  Update update(const CallUpdate& update);
  void hang_up(const char* by);  ///< a call that was not answered yet is cancelled

 private:
  struct Outgoing {
    Hook hook;
    net::Params params;
    HookFault fault = HookFault::none;
    std::chrono::milliseconds wait{0};  ///< before it leaves
  };

  // Dialing (live_call.cpp)
  void dial();
  void ring();
  void answer();
  void answer_when_ready();
  void begin_detection();
  void conclude_detection(const Verdict& verdict);
  void finish(carrier::CallStatus status, const char* by);
  void set_status(carrier::CallStatus status);

  // Webhooks (live_call_hooks.cpp)
  net::Params parameters() const;
  void report(carrier::ProgressEvent event);
  void report_stream(const char* event, const std::string& error);
  void post(const Hook& hook, net::Params params);
  void pump();
  void send(Outgoing next);
  void sent(const Hook& hook, const net::Params& params, const HookAnswer& answer);
  void record(const Hook& hook, std::string_view call_status, int status);
  void warn(const Warning& warning);
  std::int64_t now_ms() const;

  // TwiML (live_call_twiml.cpp)
  void run_first_document(net::Params detection);
  void fetch(const Hook& hook, net::Params extra, bool may_fall_back);
  void document_failed(const Warning& why, const std::string& url, bool may_fall_back);
  void run_document(const std::string& text, const std::string& url, bool may_fall_back);
  void next_verb();
  void run(const carrier::twiml::Verb& verb);
  void open_stream(const carrier::twiml::Connect& connect);
  void wait_then_next(std::chrono::milliseconds span);
  void leave_document();  ///< stops what the document does: stream, pause, fetch

  void on_stream_started() override;
  void on_stream_ended(const Warning& cause) override;
  void on_callee_hung_up(const char* why) override;
  void on_stream_warning(const Warning& warning) override { warn(warning); }

  Facilities& facilities_;
  std::shared_ptr<CallState> state_;
  CallerScript callee_;
  std::function<void()> reported_;
  std::function<void()> over_;
  const MonoClock::time_point created_ = MonoClock::now();
  TruthLog truth_;
  Meter meter_;

  runtime::Timer step_timer_;  ///< the next step of dialing or of the document
  runtime::Timer amd_timer_;
  runtime::Timer limit_timer_;   ///< TimeLimit
  runtime::Timer callee_timer_;  ///< the callee hangs up
  bool wants_to_answer_ = false;
  std::optional<CallerSounds> sounds_;
  std::unique_ptr<Caller> caller_;  ///< once answered

  std::deque<carrier::twiml::Verb> verbs_;  ///< still to run
  std::optional<Hook> stream_action_;
  std::uint64_t document_ = 0;  ///< generation: a late answer for an older one is ignored
  std::shared_ptr<MediaStream> stream_;

  std::deque<Outgoing> outbox_;  ///< in order, one at a time, unless a fault says otherwise
  int posting_ = 0;
  int sequence_ = 0;
  std::uint64_t hooks_posted_ = 0;
};

}  // namespace call::sim
