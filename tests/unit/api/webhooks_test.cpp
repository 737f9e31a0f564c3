#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/carrier/twiml.hpp"
#include "core/dialer/call_plan.hpp"
#include "core/redis/subscription.hpp"
#include "tests/unit/api/service.hpp"

namespace call::api_test {
namespace {

const std::string kSid = "CA00000000000000000000000000000001";
const std::string kOtherSid = "CA00000000000000000000000000000002";

net::Params report(const std::string& status, int sequence, const std::string& sid = kSid) {
  return {{"CallSid", sid},
          {"AccountSid", "AC00000000000000000000000000000001"},
          {"CallStatus", status},
          {"CallbackSource", "call-progress-events"},
          {"SequenceNumber", std::to_string(sequence)},
          {"Timestamp", "Mon, 23 Nov 2026 21:56:03 +0000"}};
}

/// A list that is running, and one attempt of it that was sent.
struct Sent {
  Service api;
  std::int64_t list = api.make_list("webhooks");
  std::string token;

  Sent() {
    REQUIRE(api.call("POST", "/v1/lists/webhooks/start").status == 200);
    token = api.sent_attempt(list);
  }
  net::HttpResponse status(const std::string& word, int sequence, const std::string& sid = kSid) {
    return api.webhook("/twilio/status/" + token, report(word, sequence, sid));
  }
  std::string attempt(const std::string& column) {
    return api.value("SELECT " + column + " FROM attempts");
  }
};

TEST_CASE("api.webhooks: a status is stored, applied and answered without content") {
  Sent sent;
  const auto answer = sent.status("ringing", 1);
  CHECK(answer.status == 204);
  CHECK(answer.body.empty());
  CHECK(sent.attempt("call_sid") == kSid);
  CHECK(sent.attempt("call_status") == "ringing");
  CHECK(sent.api.value("SELECT params->>'SequenceNumber' FROM call_events") == "1");
}

TEST_CASE("api.webhooks: the end of a call is told to the drivers, and nothing else is") {
  Sent sent;
  redis::Subscription ear(*redis::parse_url(sent.api.redis_url), {"calld:wake"}, "test");
  REQUIRE(ear.open(Deadline::after(std::chrono::seconds(10))));
  REQUIRE(sent.status("ringing", 1).status == 204);
  REQUIRE(sent.status("completed", 3).status == 204);
  const auto heard = ear.next(Deadline::after(std::chrono::seconds(10)));
  REQUIRE(heard);
  REQUIRE(*heard);
  CHECK((*heard)->payload == std::to_string(sent.list));
  REQUIRE(sent.status("completed", 3).status == 204);  // said again
  const auto more = ear.next(Deadline::after(std::chrono::milliseconds(0)));
  REQUIRE(more);
  CHECK_FALSE(*more);
}

TEST_CASE("api.lists: pause and cancel with ?hang_up enqueue the end of each call, once") {
  for (const auto* what : {"pause", "cancel"}) {
    Sent sent;
    REQUIRE(sent.status("in-progress", 2).status == 204);
    REQUIRE(sent.api.call("POST", "/v1/lists/webhooks/" + std::string(what)).status == 200);
    CHECK(sent.api.jobs_waiting("default") == 0);
    for (int i = 0; i < 2; ++i)
      REQUIRE(sent.api.call("POST", "/v1/lists/webhooks/" + std::string(what) + "?hang_up=true")
                  .status == 200);
    CHECK(sent.api.jobs_waiting("default") == 1);
    CHECK(sent.api.value("SELECT args->>1 FROM outbox WHERE function = 'calld.end_call'") == kSid);
  }
}

TEST_CASE("api.webhooks: predecessor A8.23 every address that the dialer hands out is served") {
  Service api;
  using dialer::Hook;
  for (const auto hook :
       {Hook::answer, Hook::status, Hook::amd, Hook::stream, Hook::stream_ended}) {
    const auto url = dialer::hook_url({Service::kPublicUrl, ""}, hook, "0123456789abcdef");
    REQUIRE(url.starts_with(Service::kPublicUrl));
    const auto answer =
        api.webhook(url.substr(Service::kPublicUrl.size()), report("completed", 3, kOtherSid));
    INFO(url);
    CHECK((answer.status == 200 || answer.status == 204));
  }
}

TEST_CASE("api.webhooks: predecessor A8.30 nothing is built anew for a call") {
  // The predecessor took five seconds for each; here two hundred must not take as long.
  Sent sent;
  const auto begun = MonoClock::now();
  for (int i = 0; i < 200; ++i) REQUIRE(sent.status("ringing", i).status == 204);
  CHECK(MonoClock::now() - begun < std::chrono::seconds(5));
  CHECK(sent.api.value("SELECT count(*) FROM call_events") == "200");
}

TEST_CASE("api.webhooks: a wrong signature is 403 and changes nothing") {
  Sent sent;
  const auto path = "/twilio/status/" + sent.token;
  CHECK(sent.api.webhook(path, report("completed", 3), "https://evil.example.com").status == 403);
  CHECK(sent.api.request("POST", path, net::encode_form(report("completed", 3))).status == 403);
  CHECK(sent.api.value("SELECT count(*) FROM call_events") == "0");
  CHECK(sent.attempt("state") == "sending");
}

TEST_CASE("api.webhooks: the address with Twilio's overrides may be what was signed") {
  Sent sent;
  const auto path = "/twilio/status/" + sent.token;
  const auto form = report("ringing", 1);
  const auto signature = carrier::sign(Secret("carrier-token"),
                                       Service::kPublicUrl + path + "#rc=5&rp=5xx,ct,rt", form);
  CHECK(sent.api.request("POST", path, net::encode_form(form), {{"X-Twilio-Signature", signature}})
            .status == 204);
}

TEST_CASE("api.webhooks: predecessor A9.14 repeated and late reports change nothing") {
  Sent sent;
  sent.status("in-progress", 2);
  sent.status("completed", 3);
  const auto ended_at = sent.attempt("ended_at");
  sent.status("completed", 3);
  sent.status("ringing", 1);
  sent.status("in-progress", 2);
  CHECK(sent.attempt("state") == "ended");
  CHECK(sent.attempt("call_status") == "completed");
  CHECK(sent.attempt("ended_at") == ended_at);
  CHECK(sent.api.value("SELECT count(*) FROM call_events") == "3");
  CHECK(sent.api.value("SELECT outcome FROM entries") == "completed");
}

TEST_CASE("api.webhooks: predecessor A9.17 a report for nobody is kept and given to nobody") {
  Sent sent;
  const auto answer = sent.api.webhook("/twilio/status/00000000000000000000000000000000",
                                       report("completed", 3, kOtherSid));
  CHECK(answer.status == 204);
  CHECK(sent.api.value("SELECT count(*) FROM call_events WHERE attempt_id IS NULL") == "1");
  CHECK(sent.attempt("state") == "sending");
}

TEST_CASE("api.webhooks: a machine's verdict enqueues one job that ends the call") {
  Sent sent;
  sent.status("in-progress", 2);
  const net::Params verdict{{"CallSid", kSid},
                            {"AccountSid", "AC00000000000000000000000000000001"},
                            {"AnsweredBy", "machine_start"},
                            {"MachineDetectionDuration", "3000"}};
  CHECK(sent.api.webhook("/twilio/amd/" + sent.token, verdict).status == 204);
  CHECK(sent.api.webhook("/twilio/amd/" + sent.token, verdict).status == 204);
  CHECK(sent.api.jobs_waiting("default") == 1);
  CHECK(sent.attempt("answered_by") == "machine_start");
  sent.status("completed", 3);
  CHECK(sent.api.value("SELECT outcome FROM entries") == "machine");
}

TEST_CASE("api.webhooks: with synchronous detection the answer acts on the verdict, with a word") {
  Sent sent;
  sent.api.value("UPDATE lists SET amd = 'sync' RETURNING 1");
  auto machine = report("in-progress", 1);
  machine.emplace_back("AnsweredBy", "machine_start");
  const auto farewell = sent.api.webhook("/twilio/answer/" + sent.token, machine);
  CHECK(farewell.body.find("<Say>") != std::string::npos);
  CHECK(farewell.body.find("<Hangup") != std::string::npos);
  CHECK(sent.api.value("SELECT count(*) FROM outbox WHERE function = 'calld.end_call'") == "0");
  sent.api.value("UPDATE lists SET on_machine = 'talk' RETURNING 1");
  machine.emplace_back("Again", "1");
  const auto talks = sent.api.webhook("/twilio/answer/" + sent.token, machine);
  CHECK(talks.body.find("<Connect") != std::string::npos);
}

TEST_CASE("api.webhooks: the answer webhook serves the attempt's TwiML") {
  Sent sent;
  const auto answer = sent.api.webhook("/twilio/answer/" + sent.token, report("in-progress", 2));
  CHECK(answer.status == 200);
  CHECK(answer.headers.get("Content-Type").starts_with("text/xml"));
  const auto document = carrier::twiml::parse(answer.body);
  REQUIRE(document);
  const auto& connect = std::get<carrier::twiml::Connect>(document->verbs.at(0));
  CHECK(connect.stream.url == "wss://media.example.com/ws/twilio-media");
  CHECK(sent.api.webhook("/twilio/answer/" + sent.token, report("in-progress", 2)).status == 200);
}

TEST_CASE("api.webhooks: a second call for one attempt is hung up") {
  Sent sent;
  sent.status("in-progress", 2);
  const auto answer =
      sent.api.webhook("/twilio/answer/" + sent.token, report("in-progress", 2, kOtherSid));
  CHECK(answer.status == 200);
  const auto document = carrier::twiml::parse(answer.body);
  REQUIRE(document);
  CHECK(std::holds_alternative<carrier::twiml::Hangup>(document->verbs.at(0)));
  CHECK(sent.attempt("call_sid") == kSid);
  CHECK(sent.api.jobs_waiting("default") == 1);
  CHECK(sent.api.request("GET", "/metrics").body.find("calld_duplicate_calls_total 1") !=
        std::string::npos);
}

TEST_CASE("api.webhooks: a call that nobody knows is hung up") {
  Service api;
  const auto answer = api.webhook("/twilio/answer/00000000000000000000000000000000",
                                  report("in-progress", 2, kOtherSid));
  CHECK(answer.status == 200);
  CHECK(answer.body.find("<Hangup") != std::string::npos);
}

TEST_CASE("api.webhooks: the stream's reports are stored, its end hangs up") {
  Sent sent;
  sent.status("in-progress", 2);
  const net::Params started{{"CallSid", kSid},
                            {"AccountSid", "AC00000000000000000000000000000001"},
                            {"StreamSid", "MZ00000000000000000000000000000001"},
                            {"StreamEvent", "stream-started"}};
  CHECK(sent.api.webhook("/twilio/stream/" + sent.token, started).status == 204);
  const auto end = sent.api.webhook("/twilio/stream-ended/" + sent.token, report("in-progress", 2));
  CHECK(end.status == 200);
  CHECK(end.body.find("<Hangup") != std::string::npos);
  CHECK(sent.api.value("SELECT count(*) FROM call_events WHERE kind = 'stream'") == "1");
}

TEST_CASE("api.webhooks: forms have limits") {
  Sent sent;
  const auto path = "/twilio/status/" + sent.token;
  CHECK(sent.api.request("POST", path, std::string(70U << 10, 'a')).status == 413);
  std::string many;
  for (int i = 0; i < 300; ++i) many += "a=1&";
  CHECK(sent.api.request("POST", path, many).status == 400);
  CHECK(sent.api.request("GET", path).status == 405);
}

TEST_CASE("api.calls: a call is shown with everything that was said about it") {
  Sent sent;
  sent.status("ringing", 1);
  sent.status("completed", 3);
  const auto answer = sent.api.call("GET", "/v1/calls/" + kSid);
  REQUIRE(answer.status == 200);
  const auto shown = Service::json_of(answer);
  CHECK(shown["status"] == "completed");
  CHECK(shown["to"] == "+14155550123");
  CHECK(shown["events"].size() == 2);
  CHECK(shown["record"].is_null());
  CHECK(sent.api.call("GET", "/v1/calls/" + kOtherSid).status == 404);
  const net::Headers stranger{{"Authorization", "Bearer " + sent.api.token_of("stranger")}};
  CHECK(sent.api.request("GET", "/v1/calls/" + kSid, "", stranger).status == 404);
}

}  // namespace
}  // namespace call::api_test
