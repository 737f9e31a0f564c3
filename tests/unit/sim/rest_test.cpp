// The REST API of the simulator, through calld's own client and by hand.
#include "tests/unit/sim/application.hpp"

using namespace call;
using namespace call::sim;
using namespace call::sim::test;
using carrier::CallStatus;
using Kind = carrier::CreateOutcome::Kind;

namespace {

net::HttpResponse get(const Fixture& fixture, const std::string& path,
                      const std::string& authorization) {
  auto url = net::parse_url(fixture.server->base_url() + path);
  net::HttpRequest request;
  if (!authorization.empty()) request.headers.set("Authorization", authorization);
  auto result = net::http_call(*url, request, soon());
  REQUIRE(result.response.ok());
  return *result.response;
}

int code_of(const net::HttpResponse& response) {
  return nlohmann::json::parse(response.body).at("code");
}

const std::string kHangUp = "<Response><Hangup/></Response>";

}  // namespace

TEST_CASE("sim.rest: a created call can be fetched, listed and hung up") {
  Fixture fixture("");
  const auto created = fixture.call(fixture.request("<Response><Pause length='60'/></Response>"));
  REQUIRE(created.kind == Kind::placed);
  REQUIRE(created.status == CallStatus::queued);
  const auto client = fixture.client();
  fixture.application.wait_for("/status", 3);  // initiated, ringing, answered
  REQUIRE(client.fetch_call(created.sid, soon()).value().status == CallStatus::in_progress);

  carrier::ListCalls filter;
  filter.to = "+12025550101";
  REQUIRE(client.list_calls(filter, soon()).value().at(0).sid == created.sid);
  filter.to = "+12025550102";
  REQUIRE(client.list_calls(filter, soon()).value().empty());

  REQUIRE(client.update_call(created.sid, {}, soon()).value() == carrier::UpdateOutcome::updated);
  REQUIRE(fixture.application.wait_for_end(created.sid).get("CallStatus") == "completed");
  REQUIRE(client.update_call(created.sid, {}, soon()).value() ==
          carrier::UpdateOutcome::already_over);
  REQUIRE(client.fetch_call(created.sid, soon()).value().status == CallStatus::completed);
  REQUIRE(client.fetch_call("CA" + std::string(32, '0'), soon()).error().code == Errc::not_found);
}

TEST_CASE("sim.rest: lists are paged, newest first, each call once") {
  Fixture fixture("");
  std::vector<std::string> sids;
  for (int i = 0; i < 5; ++i) sids.push_back(fixture.call(fixture.request(kHangUp)).sid);
  carrier::ListCalls filter;
  filter.page_size = 2;
  const auto calls = fixture.client().list_calls(filter, soon());
  REQUIRE(calls.ok());
  std::vector<std::string> listed;
  for (const auto& call : calls.value()) listed.push_back(call.sid);
  REQUIRE(listed == std::vector<std::string>(sids.rbegin(), sids.rend()));
}

TEST_CASE("sim.rest: refusals have Twilio's codes") {
  Fixture fixture("");
  auto bad_number = fixture.request(kHangUp);
  bad_number.to = "+1202555";
  const auto outcome = fixture.call(bad_number);
  REQUIRE(outcome.kind == Kind::rejected);
  REQUIRE(outcome.code == 21211);

  const auto calls = "/2010-04-01/Accounts/" + kAccount + "/Calls.json";
  const auto no_auth = get(fixture, calls, "");
  REQUIRE(no_auth.status == 401);
  REQUIRE(code_of(no_auth) == 20003);
  REQUIRE(get(fixture, calls, net::basic_auth(kAccount, "wrong")).status == 401);
  const auto auth = net::basic_auth(kAccount, kToken.reveal());
  REQUIRE(get(fixture, calls, auth).status == 200);
  REQUIRE(code_of(get(fixture, "/2010-04-01/Accounts/" + kAccount + "/Messages.json", auth)) ==
          20404);
  REQUIRE(get(fixture, "/sim/calls/CA1", "").status == 404);
  REQUIRE(get(fixture, "/healthz", "").status == 200);
  REQUIRE(get(fixture, "/readyz", "").status == 200);
  REQUIRE(get(fixture, "/metrics", "").body.find("calld_sim_rest_answers_total") !=
          std::string::npos);
}

TEST_CASE("sim.rest: too many requests at once are 429 with 20429") {
  Fixture fixture("", [](Options& options) { options.max_concurrent_requests = 0; });
  const auto outcome = fixture.call(fixture.request(kHangUp));
  REQUIRE(outcome.kind == Kind::throttled);
  REQUIRE(outcome.code == 20429);
}

TEST_CASE("sim.rest: calls above the rate wait in the queue and say how long") {
  Fixture fixture("", [](Options& options) { options.calls_per_second = 2; });
  std::vector<std::chrono::milliseconds> waits;
  for (int i = 0; i < 3; ++i) waits.push_back(*fixture.call(fixture.request(kHangUp)).queue_time);
  REQUIRE(waits[0].count() == 0);
  REQUIRE(waits[1].count() == Approx(500).margin(250));
  REQUIRE(waits[2].count() == Approx(1000).margin(250));
  // A call that waits can be cancelled, and is never dialed.
  const auto last = fixture.client().list_calls({}, soon()).value().at(0);
  REQUIRE(last.status == CallStatus::queued);
  REQUIRE_FALSE(last.start_time);
  carrier::UpdateCall cancel;
  cancel.action = carrier::UpdateCall::Action::cancel;
  REQUIRE(fixture.client().update_call(last.sid, cancel, soon()).ok());
  REQUIRE(fixture.application.wait_for_end(last.sid).get("CallStatus") == "canceled");
}

TEST_CASE("sim.rest: a call that is not in progress cannot be redirected") {
  Fixture fixture("", [](Options& options) { options.calls_per_second = 0.1; });
  fixture.call(fixture.request(kHangUp));
  const auto queued = fixture.call(fixture.request(kHangUp));
  const carrier::UpdateCall redirect{carrier::UpdateCall::Action::redirect, kHangUp};
  const auto refused = fixture.client().update_call(queued.sid, redirect, soon());
  REQUIRE_FALSE(refused.ok());
  REQUIRE(refused.error().context.find("21220") != std::string::npos);
}

TEST_CASE("sim.server: bad options and a taken port are errors that say what to do") {
  Fixture fixture("");
  Options options;
  options.account_sid = kAccount;
  options.auth_token = kToken;
  options.listen = "127.0.0.1:" + std::to_string(fixture.server->port());
  REQUIRE(Server::start(options).error().code == Errc::conflict);
  options.listen = "127.0.0.1:0";
  options.script = "nonsense";
  options.script_name = "callers.toml";
  REQUIRE(Server::start(options).error().context.find("callers.toml") != std::string::npos);
  options.script.clear();
  options.account_sid = "AC1";
  REQUIRE(Server::start(options).error().code == Errc::invalid_argument);
}
