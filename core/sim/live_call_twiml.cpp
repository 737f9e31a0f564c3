// What a call does once it is answered: the TwiML interpreter. Verbs run one after the other; a
// document that cannot be had or understood leads to the FallbackUrl once, then to the end of the
// call.

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>

#include "core/base/ids.hpp"
#include "core/sim/live_call.hpp"

namespace call::sim {
namespace {

using carrier::CallStatus;
using std::chrono::milliseconds;
namespace twiml = carrier::twiml;

constexpr int kDocumentParseFailure = 12100;
constexpr milliseconds kSpokenPerByte{60};  ///< <Say> is not spoken here, but takes its time
constexpr milliseconds kPlayed{1000};       ///< nor is <Play>

Hook hook_of(const std::string& url, const std::string& method) {
  return {url, method.empty() ? "POST" : method};
}

}  // namespace

void LiveCall::run_first_document(net::Params detection) {
  const auto& request = state_->request;
  if (request.answer.url.empty())
    run_document(request.twiml, "", true);
  else
    fetch(request.answer, std::move(detection), true);
}

void LiveCall::fetch(const Hook& hook, net::Params extra, bool may_fall_back) {
  auto params = parameters();
  for (auto& param : extra)
    if (!net::find_param(params, param.first)) params.push_back(std::move(param));
  auto done = [self = shared_from_this(), document = document_, url = hook.url, may_fall_back,
               hook](HookAnswer answer) {
    self->record(hook, to_string(self->state_->status), answer.status);
    if (document != self->document_ || is_final(self->state_->status)) return;
    if (answer.ok()) return self->run_document(answer.body, url, may_fall_back);
    self->document_failed({answer.warning_code(), url + ": " + answer.error}, url, may_fall_back);
  };
  facilities_.webhooks.send(hook, std::move(params), std::move(done));
}

void LiveCall::document_failed(const Warning& why, const std::string& url, bool may_fall_back) {
  warn(why);
  const auto& fallback = state_->request.fallback;
  if (!may_fall_back || fallback.url.empty())
    return finish(CallStatus::completed, "application error");
  fetch(fallback, {{"ErrorCode", std::to_string(why.code)}, {"ErrorUrl", url}}, false);
}

void LiveCall::run_document(const std::string& text, const std::string& url, bool may_fall_back) {
  auto document = twiml::parse(text);
  if (!document)
    return document_failed({kDocumentParseFailure, document.error().context}, url, may_fall_back);
  verbs_.assign(std::make_move_iterator(document->verbs.begin()),
                std::make_move_iterator(document->verbs.end()));
  next_verb();
}

void LiveCall::next_verb() {
  if (verbs_.empty()) return finish(CallStatus::completed, "twiml");
  const auto verb = std::move(verbs_.front());
  verbs_.pop_front();
  run(verb);
}

void LiveCall::run(const twiml::Verb& verb) {
  if (const auto* connect = std::get_if<twiml::Connect>(&verb)) {
    open_stream(*connect);
  } else if (const auto* say = std::get_if<twiml::Say>(&verb)) {
    truth_.event(now_ms(), "say", {{"text", say->text}});
    wait_then_next(kSpokenPerByte * static_cast<int>(say->text.size()));
  } else if (std::holds_alternative<twiml::Play>(verb)) {
    wait_then_next(kPlayed);
  } else if (const auto* pause = std::get_if<twiml::Pause>(&verb)) {
    wait_then_next(std::chrono::seconds(pause->length_s));
  } else if (const auto* redirect = std::get_if<twiml::Redirect>(&verb)) {
    leave_document();
    fetch(hook_of(redirect->url, redirect->method), {}, true);
  } else if (std::holds_alternative<twiml::Hangup>(verb)) {
    finish(CallStatus::completed, "twiml");
  } else {
    warn({0, "<Dial> is skipped: the simulator bridges no calls"});
    next_verb();
  }
}

void LiveCall::wait_then_next(milliseconds span) {
  step_timer_.after(span, [this] { next_verb(); });
}

void LiveCall::open_stream(const twiml::Connect& connect) {
  stream_action_.reset();
  if (!connect.action.empty()) stream_action_ = hook_of(connect.action, connect.method);
  StreamIdentity identity{facilities_.account_sid, state_->sid, "MZ" + random_hex(16)};
  stream_ = std::make_shared<MediaStream>(static_cast<StreamOwner&>(*this), connect.stream,
                                          std::move(identity), *caller_, meter_, facilities_.clock);
  if (auto fault = find_stream_fault(connect.stream)) return on_stream_ended(*fault);
  stream_->open(facilities_.loop, facilities_.auth_token, [this] { return now_ms(); });
}

void LiveCall::leave_document() {
  ++document_;
  verbs_.clear();
  step_timer_.cancel();
  if (!stream_) return;
  stream_->stop();
  report_stream("stream-stopped", "");
  truth_.event(now_ms(), "stream_stopped");
  stream_.reset();
}

void LiveCall::on_stream_started() {
  truth_.event(now_ms(), "stream_started", {{"stream_sid", stream_->identity().stream_sid}});
  report_stream("stream-started", "");
}

void LiveCall::on_stream_ended(const Warning& cause) {
  constexpr int kClosedByServer = 31921;  // an error at Twilio even when it was meant
  warn(cause);
  if (cause.code == kClosedByServer)
    report_stream("stream-stopped", "");
  else
    report_stream("stream-error", std::to_string(cause.code) + ": " + cause.text);
  const net::Params about{{"StreamSid", stream_->identity().stream_sid}};
  stream_.reset();
  if (!stream_action_) return next_verb();
  verbs_.clear();
  fetch(*std::exchange(stream_action_, std::nullopt), about, true);
}

void LiveCall::on_callee_hung_up(const char* why) {
  finish(CallStatus::completed, why);
}

}  // namespace call::sim
