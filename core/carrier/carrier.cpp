// Requests of the carrier's REST API. One http_call() each, on its own connection, and nothing here
// repeats one: the HTTP layer below is ours and does not retry either, which most HTTP libraries do
// behind one's back.

#include "core/carrier/carrier.hpp"

#include <algorithm>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/strings.hpp"
#include "core/carrier/resource.hpp"
#include "core/log/log.hpp"
#include "core/net/http_client.hpp"

namespace call::carrier {
namespace {

log::Logger logger() {
  return log::Logger("carrier");
}

std::string calls_path(const Options& options) {
  return "/2010-04-01/Accounts/" + options.account_sid + "/Calls";
}

struct Exchange {
  Result<net::HttpResponse> response;
  net::Sent sent;
};

Exchange exchange(const Options& options, std::string_view method, const std::string& path,
                  const Params& form, Deadline deadline, const net::HttpCallOptions& how = {}) {
  assert_may_block("carrier request");
  auto url = net::parse_url(options.base_url);
  if (!url) return {std::move(url).error().with_context("carrier.base_url"), net::Sent::no};
  net::HttpRequest request;
  request.method = method;
  // A compatible carrier may live below a path of its own.
  std::string_view prefix = url->path;
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  request.target = std::string(prefix) + path;
  request.headers.set("Authorization",
                      net::basic_auth(options.account_sid, options.auth_token.reveal()));
  request.headers.set("Accept", "application/json");
  request.headers.set("User-Agent", "calld");
  if (!form.empty()) {
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    request.body = net::encode_form(form);
  }
  const auto limit = Deadline::after(options.timeout);
  auto result =
      net::http_call(*url, request, limit.point() < deadline.point() ? limit : deadline, how);
  return {std::move(result.response), result.sent};
}

std::string describe(int http_status, const std::optional<ErrorBody>& error) {
  std::string text = "the carrier answered " + std::to_string(http_status);
  if (!error) return text;
  return text + " (" + std::to_string(error->code) + ": " +
         std::string(truncate_utf8(error->message, 300)) + ")";
}

/// What fetch, list and update make of an answer that is not a success.
Error to_error(int http_status, std::string_view body) {
  const auto text = describe(http_status, parse_error_body(body));
  if (http_status == 401 || http_status == 403) return {Errc::permission, text};
  if (http_status == 404) return {Errc::not_found, text};
  if (http_status == 429 || http_status >= 500) return {Errc::unavailable, text};
  if (http_status >= 400) return {Errc::invalid_argument, text};
  return {Errc::protocol, text};
}

void add(Params& form, const char* name, std::string value) {
  if (!value.empty()) form.emplace_back(name, std::move(value));
}

template <class Span>
void add_count(Params& form, const char* name, Span span) {
  if (span.count() > 0) form.emplace_back(name, std::to_string(span.count()));
}

void add_machine_detection(Params& form, const MachineDetection& amd) {
  add(form, "MachineDetection", amd.wait_for_message_end ? "DetectMessageEnd" : "Enable");
  if (!amd.async_callback_url.empty()) {
    add(form, "AsyncAmd", "true");
    add(form, "AsyncAmdStatusCallback", amd.async_callback_url);
  }
  add_count(form, "MachineDetectionTimeout", amd.timeout);
  add_count(form, "MachineDetectionSpeechThreshold", amd.speech_threshold);
  add_count(form, "MachineDetectionSpeechEndThreshold", amd.speech_end_threshold);
  add_count(form, "MachineDetectionSilenceTimeout", amd.silence_timeout);
}

Params to_form(const CreateCall& request) {
  Params form{{"To", request.to}, {"From", request.from}};
  add(form, "Twiml", request.twiml);
  add(form, "Url", request.url);
  add(form, "FallbackUrl", request.fallback_url);
  if (!request.status_callback.empty()) {
    add(form, "StatusCallback", request.status_callback);
    for (const auto event : request.events)
      form.emplace_back("StatusCallbackEvent", to_string(event));
  }
  add_count(form, "Timeout", request.ring_timeout);
  if (request.time_limit) add_count(form, "TimeLimit", *request.time_limit);
  add(form, "SendDigits", request.send_digits);
  if (request.machine_detection) add_machine_detection(form, *request.machine_detection);
  return form;
}

/// What would be refused or, worse, misunderstood; empty when the request is fit to send.
std::string find_fault(const CreateCall& request) {
  if (request.to.empty() || request.from.empty()) return "a call needs To and From";
  if (request.twiml.empty() == request.url.empty()) return "a call needs either TwiML or a URL";
  if (request.twiml.size() > kMaxInlineTwiml) return "the inline TwiML is too long";
  if (request.ring_timeout.count() < 5 || request.ring_timeout.count() > 600)
    return "the ring time-out must be 5 to 600 s";
  return {};
}

std::optional<std::chrono::milliseconds> retry_after(const net::HttpResponse& response) {
  const auto seconds = parse_number<int>(trim(response.headers.get("Retry-After")));
  if (!seconds || *seconds < 0) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

CreateOutcome classify(const net::HttpResponse& response) {
  CreateOutcome outcome;
  outcome.http_status = response.status;
  if (response.status == 201) {
    auto call = parse_call(response.body);
    if (!call) {
      outcome.why = "201, but " + call.error().context;
      return outcome;
    }
    outcome.kind = CreateOutcome::Kind::placed;
    outcome.sid = call->sid;
    outcome.status = call->status;
    outcome.queue_time = call->queue_time;
    return outcome;
  }
  const auto error = parse_error_body(response.body);
  outcome.why = describe(response.status, error);
  if (error) outcome.code = error->code;
  if (response.status == 429) {
    outcome.kind = CreateOutcome::Kind::throttled;
    outcome.retry_after = retry_after(response);
  } else if (response.status >= 400 && response.status < 500 && error) {
    outcome.kind = CreateOutcome::Kind::rejected;
  }
  return outcome;
}

CreateOutcome failed(CreateOutcome::Kind kind, std::string why) {
  CreateOutcome outcome;
  outcome.kind = kind;
  outcome.why = std::move(why);
  return outcome;
}

Params to_form(const UpdateCall& update) {
  switch (update.action) {
    case UpdateCall::Action::complete:
      return {{"Status", "completed"}};
    case UpdateCall::Action::cancel:
      return {{"Status", "canceled"}};
    case UpdateCall::Action::redirect:
      return {{"Twiml", update.twiml}};
  }
  return {};
}

std::string to_query(const ListCalls& filter) {
  Params query;
  add(query, "To", filter.to);
  add(query, "From", filter.from);
  if (filter.status) add(query, "Status", std::string(to_string(*filter.status)));
  add(query, "StartTime", filter.start_date);
  add(query, "PageSize", std::to_string(std::clamp(filter.page_size, 1, 1000)));
  return net::encode_form(query);
}

}  // namespace

std::string_view to_string(ProgressEvent event) {
  switch (event) {
    case ProgressEvent::initiated:
      return "initiated";
    case ProgressEvent::ringing:
      return "ringing";
    case ProgressEvent::answered:
      return "answered";
    case ProgressEvent::completed:
      return "completed";
  }
  return "";
}

std::string_view to_string(CreateOutcome::Kind kind) {
  switch (kind) {
    case CreateOutcome::Kind::placed:
      return "placed";
    case CreateOutcome::Kind::rejected:
      return "rejected";
    case CreateOutcome::Kind::throttled:
      return "throttled";
    case CreateOutcome::Kind::not_sent:
      return "not_sent";
    case CreateOutcome::Kind::unknown:
      return "unknown";
  }
  return "";
}

Carrier::Carrier(Options options) : options_(std::move(options)) {}

CreateOutcome Carrier::create_call(const CreateCall& request, Deadline deadline,
                                   const std::function<bool()>& still_wanted) const {
  assert_may_block("Carrier::create_call");
  if (auto fault = find_fault(request); !fault.empty())
    return failed(CreateOutcome::Kind::rejected, std::move(fault));
  const auto log = logger().with("to", log::mask_phone(request.to));
  log.debug("create-call: sending");
  net::HttpCallOptions how;
  how.still_wanted = still_wanted;
  auto [response, sent] =
      exchange(options_, "POST", calls_path(options_) + ".json", to_form(request), deadline, how);
  CreateOutcome outcome;
  if (response)
    outcome = classify(*response);
  else if (sent == net::Sent::no)
    outcome = failed(CreateOutcome::Kind::not_sent, response.error().to_string());
  else
    outcome = failed(CreateOutcome::Kind::unknown, response.error().to_string());
  log.debug("create-call: {} {}", to_string(outcome.kind),
            outcome.sid.empty() ? outcome.why : outcome.sid);
  return outcome;
}

Result<UpdateOutcome> Carrier::update_call(std::string_view sid, const UpdateCall& update,
                                           Deadline deadline) const {
  assert_may_block("Carrier::update_call");
  if (!is_call_sid(sid)) return Error{Errc::invalid_argument, "not a call SID"};
  const auto path = calls_path(options_) + "/" + std::string(sid) + ".json";
  auto response = exchange(options_, "POST", path, to_form(update), deadline).response;
  if (!response) return std::move(response).error().with_context("update-call");
  if (response->status == 200) return UpdateOutcome::updated;
  const auto error = parse_error_body(response->body);
  constexpr int kNotFound = 20404;
  constexpr int kInvalidState = 21220;
  if (response->status == 404 && error && error->code == kNotFound)
    return UpdateOutcome::already_over;
  if (error && error->code == kInvalidState && update.action != UpdateCall::Action::redirect)
    return UpdateOutcome::already_over;
  return to_error(response->status, response->body).with_context("update-call");
}

Result<Call> Carrier::fetch_call(std::string_view sid, Deadline deadline) const {
  assert_may_block("Carrier::fetch_call");
  if (!is_call_sid(sid)) return Error{Errc::invalid_argument, "not a call SID"};
  const auto path = calls_path(options_) + "/" + std::string(sid) + ".json";
  auto response = exchange(options_, "GET", path, {}, deadline).response;
  if (!response) return std::move(response).error().with_context("fetch-call");
  if (response->status != 200)
    return to_error(response->status, response->body).with_context("fetch-call");
  return parse_call(response->body).with_context("fetch-call");
}

Result<std::vector<std::string>> Carrier::call_event_urls(std::string_view sid,
                                                          Deadline deadline) const {
  assert_may_block("Carrier::call_event_urls");
  if (!is_call_sid(sid)) return Error{Errc::invalid_argument, "not a call SID"};
  const auto path = calls_path(options_) + "/" + std::string(sid) + "/Events.json?PageSize=100";
  auto response = exchange(options_, "GET", path, {}, deadline).response;
  if (!response) return std::move(response).error().with_context("call-events");
  if (response->status != 200)
    return to_error(response->status, response->body).with_context("call-events");
  return parse_event_urls(response->body).with_context("call-events");
}

Result<std::vector<Call>> Carrier::list_calls(const ListCalls& filter, Deadline deadline) const {
  assert_may_block("Carrier::list_calls");
  std::vector<Call> calls;
  auto path = calls_path(options_) + ".json?" + to_query(filter);
  while (!path.empty() && calls.size() < filter.max_calls) {
    auto response = exchange(options_, "GET", path, {}, deadline).response;
    if (!response) return std::move(response).error().with_context("list-calls");
    if (response->status != 200)
      return to_error(response->status, response->body).with_context("list-calls");
    auto page = parse_call_page(response->body).with_context("list-calls");
    if (!page) return std::move(page).error();
    for (auto& call : page->calls) {
      if (calls.size() == filter.max_calls) break;
      calls.push_back(std::move(call));
    }
    // A page without calls ends the list, whatever it points to: no carrier may keep us in a loop.
    path = page->calls.empty() ? std::string() : std::move(page->next_page_uri);
    if (!path.empty() && !path.starts_with('/'))
      return Error{Errc::protocol, "list-calls: next_page_uri is not a path"};
  }
  return calls;
}

}  // namespace call::carrier
