// A call's way from the queue to its end. The callee's sounds are synthesised while the telephone
// rings; when they are not ready in time the callee picks up later rather than speaking late.

#include "core/sim/live_call.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/log/log.hpp"
#include "core/runtime/loop.hpp"
#include "core/sim/amd.hpp"

namespace call::sim {
namespace {

using carrier::CallStatus;
using carrier::ProgressEvent;
using std::chrono::milliseconds;

constexpr milliseconds kSetup{200};  ///< from dialing to the first ring

}  // namespace

LiveCall::LiveCall(Facilities& facilities, std::shared_ptr<CallState> state, CallerScript callee,
                   std::function<void()> reported, std::function<void()> over)
    : facilities_(facilities),
      state_(std::move(state)),
      callee_(std::move(callee)),
      reported_(std::move(reported)),
      over_(std::move(over)),
      truth_(facilities.truth, state_->sid),
      meter_(state_->summary, truth_),
      step_timer_(facilities.loop),
      amd_timer_(facilities.loop),
      limit_timer_(facilities.loop),
      callee_timer_(facilities.loop) {}

void LiveCall::dial_at(MonoClock::time_point slot) {
  truth_.event(0, "created",
               {{"sid", state_->sid},
                {"to", state_->request.to},
                {"callee", callee_.label},
                {"time", to_rfc3339(state_->created, 3)},
                {"queue_time_ms", state_->queue_time.count()}});
  facilities_.voices.prepare(callee_, [self = shared_from_this()](CallerSounds sounds) {
    self->sounds_ = std::move(sounds);
    self->answer_when_ready();
  });
  step_timer_.at(slot, [this] { dial(); });
}

void LiveCall::dial() {
  state_->started = wall_now();
  set_status(CallStatus::initiated);
  report(ProgressEvent::initiated);
  if (callee_.pickup == Pickup::failed)
    return step_timer_.after(kSetup, [this] { finish(CallStatus::failed, "unreachable"); });
  if (callee_.pickup == Pickup::busy)
    return step_timer_.after(std::min(callee_.ring, milliseconds(state_->request.ring_timeout)),
                             [this] { finish(CallStatus::busy, "busy"); });
  step_timer_.after(kSetup, [this] { ring(); });
}

void LiveCall::ring() {
  set_status(CallStatus::ringing);
  report(ProgressEvent::ringing);
  const milliseconds timeout = state_->request.ring_timeout;
  if (callee_.pickup == Pickup::no_answer || callee_.ring > timeout)
    return step_timer_.after(std::min(callee_.ring, timeout),
                             [this] { finish(CallStatus::no_answer, "nobody answered"); });
  step_timer_.after(callee_.ring, [this] {
    wants_to_answer_ = true;
    answer_when_ready();
  });
}

void LiveCall::answer_when_ready() {
  if (wants_to_answer_ && sounds_ && !is_final(state_->status) && !caller_) answer();
}

void LiveCall::answer() {
  state_->answered = wall_now();
  set_status(CallStatus::in_progress);
  report(ProgressEvent::answered);
  const auto seed = static_cast<std::uint32_t>(facilities_.seed * 7919 + state_->serial);
  caller_ = std::make_unique<Caller>(callee_, *sounds_, seed);
  limit_timer_.after(state_->request.time_limit, [this] { hang_up("time limit"); });
  callee_timer_.after(callee_.hang_up_after, [this] { hang_up("callee: had enough"); });
  if (state_->request.amd) begin_detection();
  if (!state_->request.amd || state_->request.amd->async) run_first_document({});
}

void LiveCall::begin_detection() {
  milliseconds greeting{0};
  if (sounds_->greeting) greeting = audio::duration_of(sounds_->greeting->size());
  const auto verdict = detect(*state_->request.amd, callee_, greeting);
  amd_timer_.after(verdict.after, [this, verdict] { conclude_detection(verdict); });
}

void LiveCall::conclude_detection(const Verdict& verdict) {
  state_->answered_by = verdict.who;
  truth_.event(now_ms(), "answered_by", {{"who", to_string(verdict.who)}});
  net::Params detection{{"AnsweredBy", std::string(to_string(verdict.who))},
                        {"MachineDetectionDuration", std::to_string(verdict.after.count())}};
  const auto& amd = *state_->request.amd;
  if (!amd.async) return run_first_document(std::move(detection));
  if (amd.callback.url.empty()) return;
  detection.emplace_back("CallSid", state_->sid);
  detection.emplace_back("AccountSid", facilities_.account_sid);
  post(amd.callback, std::move(detection));
}

LiveCall::Update LiveCall::update(const CallUpdate& update) {
  if (is_final(state_->status)) return Update::over;
  const bool in_progress = state_->status == CallStatus::in_progress;
  switch (update.action) {
    case CallUpdate::Action::complete:
      hang_up("api");
      return Update::done;
    case CallUpdate::Action::cancel:
      if (!in_progress) hang_up("api");
      return Update::done;
    case CallUpdate::Action::redirect:
      if (!in_progress) return Update::not_in_progress;
      leave_document();
      if (update.url.url.empty())
        run_document(update.twiml, "", true);
      else
        fetch(update.url, {}, true);
      return Update::done;
  }
  return Update::done;
}

void LiveCall::hang_up(const char* by) {
  const bool in_progress = state_->status == CallStatus::in_progress;
  finish(in_progress ? CallStatus::completed : CallStatus::canceled, by);
}

void LiveCall::finish(CallStatus status, const char* by) {
  if (is_final(state_->status)) return;
  const auto self =
      shared_from_this();  // the timer or stream that led here may hold the last reference
  leave_document();
  amd_timer_.cancel();
  limit_timer_.cancel();
  callee_timer_.cancel();
  state_->ended = wall_now();
  state_->summary.ended_by = by;
  set_status(status);
  report(ProgressEvent::completed);
  truth_.event(now_ms(), "ended", {{"status", to_string(status)}, {"by", by}});
  truth_.flush();
  log::Logger("sim").with("sid", state_->sid).debug("{} ({})", to_string(status), by);
  facilities_.loop.post([self] { self->pump(); });  // also when there is nothing to send
}

void LiveCall::set_status(CallStatus status) {
  state_->status = status;
  state_->updated = wall_now();
  truth_.event(now_ms(), "status", {{"status", to_string(status)}});
}

}  // namespace call::sim
