// What a call tells the application. Status callbacks leave one by one, in order, as they do on a
// quiet day at Twilio.

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

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
  outbox_.push_back({hook, std::move(params)});
  pump();
}

void LiveCall::pump() {
  if (posting_) return;
  if (outbox_.empty()) {
    if (is_final(state_->status) && over_) std::exchange(over_, nullptr)();
    return;
  }
  posting_ = true;
  auto next = std::move(outbox_.front());
  outbox_.pop_front();
  auto done = [self = shared_from_this(), url = next.hook.url](HookAnswer answer) {
    self->posting_ = false;
    auto& summary = self->state_->summary;
    ++(answer.ok() ? summary.webhooks_delivered : summary.webhooks_failed);
    if (!answer.ok())
      self->warn({answer.status == 0 ? answer.warning_code() : kCallbackWarning,
                  url + ": " + answer.error});
    self->pump();
  };
  facilities_.webhooks.send(next.hook, std::move(next.params), std::move(done));
}

void LiveCall::warn(const Warning& warning) {
  constexpr std::size_t kMaxWarnings = 100;
  auto& warnings = state_->summary.warnings;
  if (warnings.size() < kMaxWarnings) warnings.push_back(warning);
  truth_.event(now_ms(), "warning", {{"code", warning.code}, {"text", warning.text}});
}

}  // namespace call::sim
