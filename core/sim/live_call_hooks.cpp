// What a call tells the application. Status callbacks leave one by one, in order, as they do on a
// quiet day at Twilio.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "core/runtime/loop.hpp"
#include "core/sim/hook_policy.hpp"
#include "core/sim/live_call.hpp"

namespace call::sim {
namespace {

using carrier::CallStatus;

constexpr int kCallbackWarning =
    15003;  ///< Twilio: "Call Progress: Warning Response to Callback URL"

const char* sip_code(CallStatus status) {
  switch (status) {
    case CallStatus::busy:
      return "486";
    case CallStatus::failed:
      return "404";
    case CallStatus::no_answer:
    case CallStatus::canceled:
      return "487";
    case CallStatus::queued:
    case CallStatus::initiated:
    case CallStatus::ringing:
    case CallStatus::in_progress:
    case CallStatus::completed:
      return "200";
  }
  return "200";
}

}  // namespace

std::int64_t LiveCall::now_ms() const {
  return std::chrono::duration_cast<std::chrono::milliseconds>(MonoClock::now() - created_).count();
}

net::Params LiveCall::parameters() const {
  const auto& request = state_->request;
  net::Params params{{"AccountSid", facilities_.account_sid},
                     {"ApiVersion", "2010-04-01"},
                     {"CallSid", state_->sid},
                     {"CallStatus", std::string(to_string(state_->status))},
                     {"Called", request.to},
                     {"Caller", request.from},
                     {"Direction", "outbound-api"},
                     {"From", request.from},
                     {"To", request.to}};
  if (state_->answered_by)
    params.emplace_back("AnsweredBy", std::string(to_string(*state_->answered_by)));
  return params;
}

void LiveCall::report(carrier::ProgressEvent event) {
  const auto& request = state_->request;
  const bool wanted =
      std::find(request.events.begin(), request.events.end(), event) != request.events.end();
  if (!wanted || request.status_callback.url.empty()) return;
  auto params = parameters();
  params.emplace_back("CallbackSource", "call-progress-events");
  params.emplace_back("SequenceNumber", std::to_string(sequence_++));
  params.emplace_back("Timestamp", to_rfc2822(state_->updated));
  if (event == carrier::ProgressEvent::completed) {
    const auto seconds = duration_s(*state_).value_or(0);
    params.emplace_back("CallDuration", std::to_string(seconds));
    params.emplace_back("Duration", std::to_string((seconds + 59) / 60));
    params.emplace_back("SipResponseCode", sip_code(state_->status));
  }
  post(request.status_callback, std::move(params));
}

void LiveCall::report_stream(const char* event, const std::string& error) {
  const auto& twiml = stream_->twiml();
  if (twiml.status_callback.empty()) return;
  net::Params params{
      {"AccountSid", facilities_.account_sid},
      {"CallSid", state_->sid},
      {"StreamSid", stream_->identity().stream_sid},
      {"StreamName", twiml.name.empty() ? stream_->identity().stream_sid : twiml.name},
      {"StreamEvent", event},
      {"Timestamp", to_rfc3339(wall_now(), 3)}};
  if (!error.empty()) params.emplace_back("StreamError", error);
  const auto& method = twiml.status_callback_method;
  post({twiml.status_callback, method.empty() ? "POST" : method}, std::move(params));
}

void LiveCall::post(const Hook& hook, net::Params params) {
  const auto& faults = state_->faults;
  Outgoing out{hook, std::move(params)};
  const auto dice = [&](std::string_view what) {
    return throw_dice(faults.dice, state_->request.to + std::string(what), hooks_posted_);
  };
  if (dice("share") < faults.webhook_share) out.fault = faults.webhooks;
  if (out.fault == HookFault::delay) out.wait = faults.webhook_delay;
  if (out.fault == HookFault::reorder) {
    const auto most = static_cast<double>(faults.webhook_delay.count());
    out.wait = std::chrono::milliseconds(std::lround(dice("wait") * most));
  }
  ++hooks_posted_;
  if (out.fault == HookFault::reorder) return send(std::move(out));
  outbox_.push_back(std::move(out));
  pump();
}

void LiveCall::pump() {
  if (posting_ > 0) return;
  if (outbox_.empty()) {
    if (is_final(state_->status) && over_) std::exchange(over_, nullptr)();
    return;
  }
  auto next = std::move(outbox_.front());
  outbox_.pop_front();
  if (next.fault == HookFault::twice) outbox_.push_front({next.hook, next.params});
  send(std::move(next));
}

void LiveCall::send(Outgoing next) {
  ++posting_;
  const auto out = std::make_shared<Outgoing>(std::move(next));
  const auto leave = [self = shared_from_this(), out] {
    if (out->fault == HookFault::lose) {
      const auto lost = [self, out] { self->sent(out->hook, out->params, {0, "", "lost"}); };
      return self->facilities_.loop.post(lost);
    }
    self->facilities_.webhooks.send(out->hook, out->params, [self, out](HookAnswer answer) {
      self->sent(out->hook, out->params, answer);
    });
  };
  if (out->wait.count() == 0) return leave();
  const auto timer = std::make_shared<runtime::Timer>(facilities_.loop);
  timer->after(out->wait, [timer, leave] { leave(); });
}

void LiveCall::sent(const Hook& hook, const net::Params& params, const HookAnswer& answer) {
  --posting_;
  auto& summary = state_->summary;
  ++(answer.ok() ? summary.webhooks_delivered : summary.webhooks_failed);
  if (!answer.ok())
    warn({answer.status == 0 ? answer.warning_code() : kCallbackWarning,
          hook.url + ": " + answer.error});
  record(hook, net::param_or_empty(params, "CallStatus"), answer.status);
  if (reported_) std::exchange(reported_, nullptr)();
  pump();
}

void LiveCall::record(const Hook& hook, std::string_view call_status, int status) {
  constexpr std::size_t kMaxRecords = 100;
  if (state_->hooks.size() == kMaxRecords) return;
  state_->hooks.push_back({hook.method, std::string(without_fragment(hook.url)),
                           std::string(call_status), status, wall_now()});
}

void LiveCall::warn(const Warning& warning) {
  constexpr std::size_t kMaxWarnings = 100;
  auto& warnings = state_->summary.warnings;
  if (warnings.size() < kMaxWarnings) warnings.push_back(warning);
  truth_.event(now_ms(), "warning", {{"code", warning.code}, {"text", warning.text}});
}

}  // namespace call::sim
