// Faults on demand: what a client meets, and what the oracle has written down by then.
#include "core/sim/faults.hpp"

#include <filesystem>
#include <fstream>

#include "tests/support/scratch_dir.hpp"
#include "tests/unit/sim/application.hpp"

using namespace call;
using namespace call::sim;
using namespace call::sim::test;
using Kind = carrier::CreateOutcome::Kind;

namespace {

const std::string kHangUp = "<Response><Hangup/></Response>";

/// A simulator with one fault for every create, and its log of creates.
struct Faulty {
  explicit Faulty(const std::string& fault)
      : fixture("[[fault]]\n" + fault,
                [this](Options& options) { options.truth_dir = dir.path(); }) {}

  carrier::CreateOutcome create() {
    auto request = fixture.request(kHangUp);
    request.status_callback = fixture.application.url("/status/0123");
    return fixture.call(request);
  }
  std::vector<nlohmann::json> logged() const {
    std::ifstream file(dir.path() / "creates.jsonl");
    std::vector<nlohmann::json> out;
    for (std::string line; std::getline(file, line);) out.push_back(nlohmann::json::parse(line));
    return out;
  }
  std::size_t calls() const { return fixture.truth("/sim/calls").at("calls").size(); }

  support::ScratchDir dir;
  Fixture fixture;
};

nlohmann::json rules(const std::string& text) {
  return nlohmann::json::parse(text);
}

}  // namespace

TEST_CASE(
    "sim.faults: an accepted create is logged with its token, whatever becomes of the answer") {
  for (const std::string fault : {"drop", "reset", "half", "truncated", "invalid"}) {
    INFO(fault);
    Faulty faulty("create = \"" + fault + "\"");
    CHECK(faulty.create().kind == Kind::unknown);
    CHECK(faulty.calls() == 1);
    const auto logged = faulty.logged();
    REQUIRE(logged.size() == 1);
    CHECK(logged[0]["token"] == "0123");
    CHECK(logged[0]["to"] == "+12025550101");
    CHECK(logged[0]["accepted"] == true);
    CHECK(faulty.fixture.application.wait_for("/status/0123", 1).size() == 1);
  }
}

TEST_CASE("sim.faults: a throttled create is not accepted and names the wait") {
  Faulty faulty("create = \"throttle\"\nretry_after_s = 7");
  const auto outcome = faulty.create();
  CHECK(outcome.kind == Kind::throttled);
  CHECK(outcome.retry_after == std::chrono::seconds(7));
  CHECK(faulty.calls() == 0);
  CHECK(faulty.logged().empty());
}

TEST_CASE("sim.faults: a 5xx may hide an accepted call or not") {
  for (const bool accepted : {true, false}) {
    for (const int status : {500, 502, 503, 504}) {
      INFO(status << (accepted ? " accepted" : " refused"));
      Faulty faulty("create = \"error\"\nstatus = " + std::to_string(status) +
                    "\naccepted = " + (accepted ? "true" : "false"));
      const auto outcome = faulty.create();
      CHECK(outcome.kind == Kind::unknown);
      CHECK(outcome.http_status == status);
      CHECK(faulty.calls() == (accepted ? 1 : 0));
      CHECK(faulty.logged().size() == (accepted ? 1 : 0));
    }
  }
}

TEST_CASE("sim.faults: webhooks are lost, doubled, or come before the answer") {
  {
    Faulty faulty("webhooks = \"lose\"");
    const auto sid = faulty.create().sid;
    while (faulty.fixture.truth("/sim/calls/" + sid).at("status") != "completed") {
    }
    CHECK(faulty.fixture.truth("/sim/calls/" + sid).at("webhooks_delivered") == 0);
    // The carrier remembers what it sent: with it goes the token.
    const auto urls = faulty.fixture.client().call_event_urls(sid, soon());
    REQUIRE(urls.ok());
    REQUIRE_FALSE(urls->empty());
    CHECK(urls->front() == faulty.fixture.application.url("/status/0123"));
  }
  {
    Faulty faulty("webhooks = \"twice\"");
    faulty.create();
    const auto hooks = faulty.fixture.application.wait_for("/status/0123", 4);
    CHECK(hooks[0].get("SequenceNumber") == hooks[1].get("SequenceNumber"));
  }
  {
    Faulty faulty("webhooks = \"early\"");
    faulty.create();
    CHECK(faulty.fixture.application.wait_for("/status/0123", 1).size() >= 1);
  }
}

TEST_CASE("sim.faults: a call is missing from lists until its lag is over, and can be fetched") {
  Faulty faulty("list_lag_ms = 60000");
  const auto sid = faulty.create().sid;
  CHECK(faulty.fixture.client().list_calls({}, soon()).value().empty());
  CHECK(faulty.fixture.client().fetch_call(sid, soon()).ok());
}

TEST_CASE("sim.faults: rules come over HTTP while the simulator runs, and go") {
  Fixture fixture("");
  const auto change = [&](const std::string& method, const std::string& body, bool signed_in) {
    net::HttpRequest request;
    request.method = method;
    request.body = body;
    if (signed_in) request.headers.set("Authorization", net::basic_auth(kAccount, kToken.reveal()));
    const auto url = net::parse_url(fixture.server->base_url() + "/sim/faults");
    return net::http_call(*url, request, soon()).response.value().status;
  };
  const std::string drop = R"({"fault": [{"number": "+12025550101", "create": "drop"}]})";
  CHECK(change("POST", drop, false) == 401);
  CHECK(change("POST", "{\"fault\": [{\"creat\": 1}]}", true) == 400);
  CHECK(change("POST", drop, true) == 204);
  CHECK(fixture.call(fixture.request(kHangUp)).kind == Kind::unknown);
  CHECK(change("DELETE", "", true) == 204);
  CHECK(fixture.call(fixture.request(kHangUp)).kind == Kind::placed);
}

TEST_CASE(
    "sim.faults: the same seed draws the same faults, and times are counted for each number") {
  const auto draw = [](std::uint64_t seed) {
    FaultPlan plan;
    plan.set_seed(seed);
    REQUIRE(plan.add(rules(R"({"fault": [{"share": 0.5, "create": "reset"}]})")).ok());
    std::string out;
    for (int i = 0; i < 100; ++i)
      out +=
          plan.draw("+1202555" + std::to_string(1000 + i)).create == CreateFault::reset ? '1' : '0';
    return out;
  };
  CHECK(draw(1) == draw(1));
  CHECK(draw(1) != draw(2));
  const auto hits = draw(1);
  CHECK(std::count(hits.begin(), hits.end(), '1') == Approx(50).margin(25));

  FaultPlan plan;
  REQUIRE(plan.add(rules(R"({"fault": [{"times": 2, "create": "throttle"}]})")).ok());
  for (const std::string number : {"+12025550101", "+12025550102"}) {
    CHECK(plan.draw(number).create == CreateFault::throttle);
    CHECK(plan.draw(number).create == CreateFault::throttle);
    CHECK(plan.draw(number).create == CreateFault::none);
  }
}

TEST_CASE("sim.faults: mistakes name the fault and the key") {
  FaultPlan plan;
  const auto error = [&](const std::string& text) {
    const auto added = plan.add(rules(text));
    REQUIRE_FALSE(added.ok());
    return added.error().context;
  };
  using Catch::Contains;
  CHECK_THAT(error(R"({"fault": [{}, {"create": "burn"}]})"),
             Contains("fault 2") && Contains("create must be one of") && Contains("'burn'"));
  CHECK_THAT(error(R"({"fault": [{"share": 2}]})"), Contains("share must be 0 to 1"));
  CHECK_THAT(error(R"({"fault": [{"status": 404}]})"), Contains("status must be 500 to 599"));
  CHECK_THAT(error(R"({"carrier": {"lag": 1}})"), Contains("carrier") && Contains("'lag'"));
}
