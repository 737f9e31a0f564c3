#include "core/sim/request.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/json/json.hpp"
#include "core/sim/hook_policy.hpp"

using namespace call;
using namespace call::sim;
using net::Params;

namespace {

Params good(Params more = {}) {
  Params form{{"To", "+12025550101"}, {"From", "+12025550100"}, {"Twiml", "<Response/>"}};
  form.insert(form.end(), more.begin(), more.end());
  return form;
}

/// The error code of a refusal; 0 when the request was taken.
template <class T>
int refusal(const Checked<T>& checked) {
  const auto* response = std::get_if<net::HttpResponse>(&checked);
  if (!response) return 0;
  REQUIRE(response->status == 400);
  const auto body = json::parse(response->body);
  REQUIRE(body.ok());
  REQUIRE(body.value()["status"] == 400);
  REQUIRE(body.value()["message"].is_string());
  REQUIRE(body.value()["more_info"].is_string());
  return static_cast<int>(json::get_int(body.value(), "code").value_or(-1));
}

int create_refusal(const Params& form) {
  return refusal(parse_create(form));
}

WallTime at(const char* text) {
  return *parse_rfc3339(text);
}

}  // namespace

TEST_CASE("sim.request: a create-call is refused with Twilio's codes") {
  REQUIRE(create_refusal(good()) == 0);
  REQUIRE(create_refusal({{"From", "+12025550100"}, {"Twiml", "x"}}) == 21201);
  REQUIRE(create_refusal({{"To", "+12025550101"}, {"Twiml", "x"}}) == 21213);
  for (const char* number :
       {"12025550101", "+1202555010", "+120255501011", "+11025550101", "+0123456789", "client:ada",
        "+1202555o101", "+12", "+1234567890123456"})
    REQUIRE(create_refusal({{"To", number}, {"From", "+12025550100"}, {"Twiml", "x"}}) == 21211);
  REQUIRE(create_refusal({{"To", "+972501234567"}, {"From", "5550100"}, {"Twiml", "x"}}) == 21212);
  REQUIRE(create_refusal({{"To", "+12025550101"}, {"From", "+12025550100"}}) == 21205);
  REQUIRE(create_refusal({{"To", "+12025550101"}, {"From", "+12025550100"}, {"Url", "ftp://x/"}}) ==
          21205);
  REQUIRE(create_refusal(good({{"StatusCallback", "nonsense"}})) == 21609);
  REQUIRE(create_refusal(good({{"StatusCallbackMethod", "PUT"}})) == 21209);
  REQUIRE(create_refusal(good({{"StatusCallbackEvent", "answered"},
                               {"StatusCallbackEvent", "exploded"}})) == 20001);
  REQUIRE(create_refusal(good({{"Timeout", "601"}})) == 21208);
  REQUIRE(create_refusal(good({{"Timeout", "soon"}})) == 21208);
  REQUIRE(create_refusal(good({{"SendDigits", "12x"}})) == 21206);
  REQUIRE(create_refusal(good({{"MachineDetection", "Guess"}})) == 20001);
  REQUIRE(create_refusal(good(
              {{"MachineDetection", "Enable"}, {"MachineDetectionSilenceTimeout", "1"}})) == 20001);
}

TEST_CASE("sim.request: a create-call is read whole, with Twilio's defaults") {
  const auto plain = std::get<CallRequest>(parse_create(good()));
  REQUIRE(plain.ring_timeout == std::chrono::seconds(60));
  REQUIRE(plain.events == std::vector{carrier::ProgressEvent::completed});
  REQUIRE_FALSE(plain.amd);
  const auto full =
      std::get<CallRequest>(parse_create(good({{"StatusCallback", "https://a.example/s"},
                                               {"StatusCallbackEvent", "initiated ringing"},
                                               {"StatusCallbackEvent", "answered"},
                                               {"Timeout", "20"},
                                               {"MachineDetection", "DetectMessageEnd"},
                                               {"AsyncAmd", "true"},
                                               {"AsyncAmdStatusCallback", "https://a.example/amd"},
                                               {"MachineDetectionTimeout", "10"}})));
  REQUIRE(full.events.size() == 3);
  REQUIRE(full.status_callback.method == "POST");
  REQUIRE(full.ring_timeout == std::chrono::seconds(20));
  REQUIRE(full.amd->message_end);
  REQUIRE(full.amd->async);
  REQUIRE(full.amd->timeout == std::chrono::seconds(10));
  const auto digits = std::get<CallRequest>(
      parse_create(good({{"MachineDetection", "Enable"}, {"SendDigits", "1w2"}})));
  REQUIRE_FALSE(digits.amd);
}

TEST_CASE("sim.request: an update ends or redirects, never both") {
  using Action = CallUpdate::Action;
  const auto action = [](const Params& form) {
    return std::get<CallUpdate>(parse_update(form)).action;
  };
  REQUIRE(action({{"Status", "completed"}}) == Action::complete);
  REQUIRE(action({{"Status", "canceled"}}) == Action::cancel);
  REQUIRE(action({{"Twiml", "<Response/>"}}) == Action::redirect);
  REQUIRE(action({{"Url", "https://a.example/"}}) == Action::redirect);
  REQUIRE(refusal(parse_update({})) == 20001);
  REQUIRE(refusal(parse_update({{"Status", "ringing"}})) == 20001);
  REQUIRE(refusal(parse_update({{"Url", "https://a.example/"}, {"Twiml", "x"}})) == 20001);
}

TEST_CASE("sim.request: lists are filtered by number, status and day") {
  CallState call;
  call.serial = 5;
  call.request.to = "+12025550101";
  call.request.from = "+12025550100";
  call.status = carrier::CallStatus::completed;
  call.started = at("2026-11-23T21:56:03Z");
  const auto matched = [&call](const Params& query) {
    const auto filter = parse_list(query);
    REQUIRE(refusal(filter) == 0);
    return matches(std::get<ListFilter>(filter), call);
  };
  REQUIRE(matched({}));
  REQUIRE(matched({{"To", "+12025550101"}, {"From", "+12025550100"}, {"Status", "completed"}}));
  REQUIRE_FALSE(matched({{"To", "+12025550102"}}));
  REQUIRE_FALSE(matched({{"Status", "busy"}}));
  REQUIRE(matched({{"StartTime", "2026-11-23"}}));
  REQUIRE(matched({{"StartTime", "2026-11-23T01:00:00Z"}}));
  REQUIRE_FALSE(matched({{"StartTime", "2026-11-22"}}));
  REQUIRE(matched({{"StartTime>", "2026-11-23"}, {"StartTime<", "2026-11-23"}}));
  REQUIRE_FALSE(matched({{"StartTime>", "2026-11-24"}}));
  REQUIRE_FALSE(matched({{"EndTime", "2026-11-23"}}));
  REQUIRE_FALSE(matched({{"PageToken", "PA5"}}));
  REQUIRE(matched({{"PageToken", "PA6"}}));
  call.status = carrier::CallStatus::initiated;
  call.started.reset();
  REQUIRE(matched({{"Status", "queued"}}));
  REQUIRE_FALSE(matched({{"Status", "queued"}, {"StartTime", "2026-11-23"}}));
}

TEST_CASE("sim.request: bad filters are refused") {
  REQUIRE(refusal(parse_list({{"Status", "initiated"}})) == 20001);
  REQUIRE(refusal(parse_list({{"StartTime", "today"}})) == 20001);
  REQUIRE(refusal(parse_list({{"PageSize", "1001"}})) == 20001);
  REQUIRE(refusal(parse_list({{"PageSize", "0"}})) == 20001);
  for (const char* token : {"P", "PA", "PAx", "5"})
    REQUIRE(refusal(parse_list({{"PageToken", token}})) == 20001);
}

TEST_CASE("sim.hook_policy: connection overrides are read from behind the URL") {
  const auto plain = parse_hook_policy("https://a.example/x?rc=5");
  REQUIRE(plain.retries == 1);
  REQUIRE(plain.covers(HookFailure::connect));
  REQUIRE_FALSE(plain.covers(HookFailure::server_error));
  const auto written = parse_hook_policy("https://a.example/x#rc=5&rp=5xx,rt&tt=2000&e=ashburn");
  REQUIRE(written.retries == 5);
  REQUIRE(written.total == std::chrono::milliseconds(2000));
  REQUIRE(written.covers(HookFailure::server_error));
  REQUIRE(written.covers(HookFailure::read));
  REQUIRE_FALSE(written.covers(HookFailure::connect));
  REQUIRE_FALSE(written.covers(HookFailure::client_error));
  REQUIRE(parse_hook_policy("https://a.example/x#rp=all").covers(HookFailure::client_error));
  const auto odd = parse_hook_policy("https://a.example/x#rc=6&tt=99999&rc&=&x=1");
  REQUIRE(odd.retries == 1);
  REQUIRE(odd.total == std::chrono::milliseconds(15000));
  REQUIRE(without_fragment("https://a.example/x?y=1#rc=5") == "https://a.example/x?y=1");
}
