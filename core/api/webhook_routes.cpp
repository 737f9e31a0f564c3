// The carrier's webhooks. Each is checked, stored with its effect in one transaction, and answered at
// once. They come early, late, twice and in any order: the store sorts that out. A webhook for an
// address that nobody knows is kept, too, and answered as usual: the carrier cannot help it.
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "core/api/context.hpp"
#include "core/api/problem.hpp"
#include "core/base/crash_point.hpp"
#include "core/base/strings.hpp"
#include "core/carrier/webhook.hpp"
#include "core/dialer/call_plan.hpp"
#include "core/json/json.hpp"
#include "core/store/events.hpp"

namespace call::api {
namespace {

using dialer::Hook;

constexpr std::size_t kMaxForm = 64U << 10;
constexpr std::size_t kMaxParams = 200;
constexpr std::size_t kMaxToken = 64;
constexpr std::size_t kMaxDedupKey = 200;

net::HttpResponse no_content() {
  net::HttpResponse response;
  response.status = 204;
  return response;
}

net::HttpResponse twiml(std::string document) {
  net::HttpResponse response;
  response.headers.set("Content-Type", "text/xml; charset=utf-8");
  response.body = std::move(document);
  return response;
}

store::EventKind kind_of(Hook hook) {
  switch (hook) {
    case Hook::answer:
      return store::EventKind::answer;
    case Hook::status:
      return store::EventKind::status;
    case Hook::amd:
      return store::EventKind::amd;
    case Hook::stream:
      return store::EventKind::stream;
    case Hook::stream_ended:
      return store::EventKind::stream_ended;
  }
  return store::EventKind::status;
}

std::string to_json(const carrier::Params& params) {
  Json object = Json::object();
  for (const auto& [name, value] : params) object[to_valid_utf8(name)] = to_valid_utf8(value);
  return json::dump(object);
}

store::Event event_of(Hook hook, std::string_view token, const carrier::StatusEvent& said,
                      const net::HttpRequest& request) {
  store::Event event;
  event.kind = kind_of(hook);
  event.token = token;
  event.call_sid = said.call_sid;
  if (said.status) event.status = store::parse_call_status(to_string(*said.status));
  event.sequence = said.sequence;
  if (said.answered_by) event.answered_by = to_string(*said.answered_by);
  if (said.duration) event.duration_s = said.duration->count();
  if (said.sip_code && said.status == carrier::CallStatus::failed)
    event.error_code = "sip_" + std::to_string(*said.sip_code);
  event.error_message = said.stream_error;
  event.occurred_at = said.timestamp;
  event.params_json = to_json(said.params);
  event.dedup_key = truncate_utf8(request.headers.get("I-Twilio-Idempotency-Token"), kMaxDedupKey);
  return event;
}

class Webhooks {
 public:
  explicit Webhooks(Context& context)
      : context_(context),
        forged_(context.metrics().counter("calld_webhooks_forged_total",
                                          "Webhooks with a wrong signature")),
        duplicates_(context.metrics().counter("calld_webhooks_duplicate_total",
                                              "Webhooks that had been stored before")),
        unmatched_(context.metrics().counter("calld_webhooks_unmatched_total",
                                             "Webhooks that belong to no known attempt (yet)")),
        second_calls_(context.metrics().counter("calld_duplicate_calls_total",
                                                "Second calls seen for one attempt")) {}

  net::HttpResponse take(Hook hook, const Request& request);

 private:
  bool is_signed(const Request& request, const net::Params& params) const;
  net::HttpResponse store_event(Hook hook, std::string_view token, const store::Event& event);
  /// The jobs are in the outbox: what cannot be pushed now is left to the worker.
  void push(const std::vector<store::OutboxJob>& jobs);
  net::HttpResponse answer(std::string_view token, const store::EventEffect& effect);
  void note(const store::Event& event, const store::EventEffect& effect);

  Context& context_;
  metrics::Counter& forged_;
  metrics::Counter& duplicates_;
  metrics::Counter& unmatched_;
  metrics::Counter& second_calls_;
  log::Throttle forged_log_{std::chrono::seconds(10)};
};

/// The signed address is ours from the configuration, never from the Host header. Whether Twilio
/// signs the fragment of the address is documented nowhere, so either is right.
bool Webhooks::is_signed(const Request& request, const net::Params& params) const {
  const auto& options = context_.options();
  const auto signature = request.http.headers.get("X-Twilio-Signature");
  const auto url = options.urls.api + request.http.target;
  return carrier::validate(options.keys, url, params, signature) ||
         carrier::validate(options.keys, dialer::with_retries(url), params, signature);
}

net::HttpResponse Webhooks::take(Hook hook, const Request& request) {
  const auto& body = request.http.body;
  if (body.size() > kMaxForm) return problem(413, "limit", "the form is larger than 64 KiB");
  auto params = net::decode_form(body, kMaxParams);
  if (!params) return problem(400, "invalid_argument", params.error().context);
  if (!is_signed(request, *params)) {
    forged_.add();
    if (const auto hidden = forged_log_.admit()) {
      context_.log().warn(
          "webhook {} from {} has a wrong signature; check api.public_url and the "
          "carrier's token ({} more not shown)",
          to_string(hook), request.http.peer.address, *hidden);
    }
    return problem(403, "bad_signature", "X-Twilio-Signature does not fit");
  }
  const auto said = carrier::parse_webhook(*std::move(params));
  if (!said) {
    context_.log().warn("webhook {} is not understood: {}", to_string(hook), said.error().context);
    return problem(said.error());
  }
  const auto& token = request.captures.front();
  if (token.size() > kMaxToken) return problem(404, "not_found", "there is no such attempt");
  CALL_CRASH_SUBJECT(net::param_or_empty(said->params, "To"));
  return store_event(hook, token, event_of(hook, token, *said, request.http));
}

net::HttpResponse Webhooks::store_event(Hook hook, std::string_view token,
                                        const store::Event& event) {
  CALL_CRASH_POINT("webhook.before");
  const auto effect = context_.events().apply(event);
  if (!effect) {
    context_.log().warn("webhook {} could not be stored: {}", to_string(hook),
                        effect.error().to_string());
    return problem(effect.error());
  }
  CALL_CRASH_POINT("webhook.after");
  note(event, *effect);
  if (!effect->jobs.empty()) push(effect->jobs);
  if (effect->attempt_ended) context_.wake_driver(effect->list_id);
  switch (hook) {
    case Hook::answer:
      return answer(token, *effect);
    case Hook::stream_ended:
      return twiml(dialer::hangup_twiml());
    case Hook::status:
    case Hook::amd:
    case Hook::stream:
      break;
  }
  return no_content();
}

void Webhooks::push(const std::vector<store::OutboxJob>& jobs) {
  if (auto connection = context_.store()) context_.push(**connection, jobs);
}

/// Asked twice for the same call, the same document. A second call for one attempt, and a call that
/// nobody knows, are hung up.
net::HttpResponse Webhooks::answer(std::string_view token, const store::EventEffect& effect) {
  if (effect.second_call) return twiml(dialer::hangup_twiml());
  auto connection = context_.store();
  if (!connection) return problem(connection.error());
  const auto call = store::call_by_token(**connection, token);
  if (!call && call.error().code == Errc::not_found) return twiml(dialer::hangup_twiml());
  if (!call) return problem(call.error());
  const auto& options = context_.options();
  if (call->end_machine) return twiml(dialer::farewell_twiml(options.machine_farewell));
  return twiml(dialer::twiml_of(dialer::plan_of(*call), options.urls, options.keys.primary,
                                wall_now() + options.media_token_ttl));
}

void Webhooks::note(const store::Event& event, const store::EventEffect& effect) {
  const auto log = context_.log().with("attempt", effect.attempt_id);
  log.debug("{} {} of {}{}{}", store::to_string(event.kind),
            event.status ? store::to_string(*event.status) : event.answered_by, event.call_sid,
            effect.duplicate ? ", seen before" : "",
            effect.matched ? (effect.changed ? "" : ", changes nothing") : ", matches nothing yet");
  if (effect.duplicate) duplicates_.add();
  if (!effect.matched) unmatched_.add();
  if (effect.second_call && !effect.duplicate) {
    second_calls_.add();
    log.error("the carrier made a second call for one attempt, {}: it is hung up", event.call_sid);
  }
}

}  // namespace

void add_webhook_routes(Router& router, Context& context) {
  const auto webhooks = std::make_shared<Webhooks>(context);
  for (const auto hook :
       {Hook::answer, Hook::status, Hook::amd, Hook::stream, Hook::stream_ended}) {
    router.add("POST", "/twilio/" + std::string(to_string(hook)) + "/{token}",
               [webhooks, hook](const Request& request) { return webhooks->take(hook, request); });
  }
}

}  // namespace call::api
