#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/unit/api/service.hpp"

namespace call::api_test {
namespace {

const std::string kMinimal = R"({"name":"a list","from":"+14155559999"})";

TEST_CASE("api.auth: without a valid token nothing is told") {
  Service api;
  const auto none = api.request("GET", "/v1/lists");
  CHECK(none.status == 401);
  CHECK(none.headers.get("WWW-Authenticate").starts_with("Bearer"));
  CHECK(code_of(none) == "unauthorized");
  for (const std::string wrong : {"Bearer calld_0000", "Basic Zm9vOmJhcg==", "Bearer ", "Bearer"})
    CHECK(api.request("GET", "/v1/lists", "", {{"Authorization", wrong}}).status == 401);
  CHECK(api.call("GET", "/v1/lists").status == 200);
}

TEST_CASE("api.auth: an address that keeps failing is told to wait, a valid token still passes") {
  Service api;
  CHECK(api.call("GET", "/v1/lists").status == 200);
  const auto guess = [&api] {
    return api.request("GET", "/v1/lists", "", {{"Authorization", "Bearer x"}}).status;
  };
  std::map<int, int> statuses;
  for (int i = 0; i < 1000 && statuses[429] == 0; ++i) ++statuses[guess()];
  CHECK(statuses[401] >= 30);
  CHECK(statuses[429] > 0);
  CHECK(api.call("GET", "/v1/lists").status == 200);

  // PostgreSQL is not asked about every guess: with no connection left, that would be a 503.
  std::vector<store::PooledConnection> taken;
  while (auto one = api.pool.take(Deadline::after(std::chrono::milliseconds(50))))
    taken.push_back(*std::move(one));
  std::atomic<int> told_to_wait = 0;
  {
    std::vector<std::jthread> guesses;
    for (int i = 0; i < 16; ++i)
      guesses.emplace_back([&] { told_to_wait += guess() == 429 ? 1 : 0; });
  }
  CHECK(told_to_wait > 0);
  taken.clear();

  // One that was never here gets in between the guesses.
  const auto fresh = api.token_of("default");
  int status = 0;
  for (int i = 0; i < 1000 && status != 200; ++i)
    status = api.request("GET", "/v1/lists", "", {{"Authorization", "Bearer " + fresh}}).status;
  CHECK(status == 200);
}

TEST_CASE(
    "api.lists: a list is created with its entries, refused rows stay in it with their reason") {
  Service api;
  const auto answer = api.call("POST", "/v1/lists", R"({
    "name": "spring", "from": "(415) 555-9999", "region": "US", "concurrency": 7,
    "calls_per_second": 2.5, "ring_timeout_s": 20, "amd": "async",
    "entries": [{"phone": "+14155550123", "name": "Dana", "variables": {"city": "Haifa"}},
                {"phone": "(415) 555-0123"}, {"phone": "12"}, {}]})");
  INFO(answer.body);
  REQUIRE(answer.status == 201);
  const auto list = Service::json_of(answer);
  CHECK(answer.headers.get("Location") == "/v1/lists/" + list["id"].dump());
  CHECK(list["state"] == "draft");
  CHECK(list["from"] == "+14155559999");
  CHECK(list["concurrency"] == 7);
  CHECK(list["calls_per_second"] == 2.5);
  CHECK(list["entries"] == 4);
  CHECK(list["pending"] == 1);
  CHECK(list["outcomes"]["refused"] == 3);
  REQUIRE(list["refusals"].size() == 3);
  CHECK(list["refusals"][0]["reason"] == "duplicate");
  CHECK(list["refusals"][1]["reason"] == "invalid_number");
  CHECK(list["refusals"][2]["reason"] == "missing_number");
}

TEST_CASE("api.lists: what calls cannot carry of their variables is said, row by row") {
  Service api;
  const std::string note =
      R"("variables":{"city":"Haifa","note":")" + std::string(600, 'x') + R"("}})";
  const auto made = api.call("POST", "/v1/lists",
                             R"({"name":"wide","from":"+14155559999","entries":[
    {"phone":"+14155550123","variables":{"city":"Haifa"}}, {"phone":"+14155550124",)" +
                                 note + R"(, {"phone":"12",)" + note + "]}");
  INFO(made.body);
  REQUIRE(made.status == 201);
  const auto wanted = [](std::int64_t seq) {
    return Json::array({{{"seq", seq}, {"left_out", {"note"}}}});
  };
  const auto list = Service::json_of(made);
  CHECK(list["curtailed"] == 1);
  CHECK(list["curtailments"] == wanted(2));
  const auto more = api.call("POST", "/v1/lists/wide/entries",
                             R"({"entries":[{"phone":"+14155550124",)" + note +
                                 R"(,{"phone":"+14155550125",)" + note + "]}");
  REQUIRE(more.status == 201);
  CHECK(Service::json_of(more)["curtailed"] == 1);
  CHECK(Service::json_of(more)["curtailments"] == wanted(5));
  const auto none = Service::json_of(
      api.call("POST", "/v1/lists", R"({"name":"none","from":"+14155559999","entries":[]})"));
  CHECK(none["curtailed"] == 0);
  CHECK(none["curtailments"] == Json::array());
}

TEST_CASE("api.lists: CSV brings the entries and the query the settings") {
  Service api;
  const net::Headers headers{{"Authorization", "Bearer " + api.token},
                             {"Content-Type", "text/csv"}};
  const auto answer = api.request(
      "POST", "/v1/lists?name=2026&from=%2B14155559999&concurrency=3&name=spring",
      "phone,name,city\n+14155550123,\xD7\x93\xD7\xA0\xD7\x94,Haifa\n12,x,y\n", headers);
  CHECK(answer.status == 201);
  CHECK(Service::json_of(answer)["refusals"][0]["seq"] == 3);
  const auto broken = api.request("POST", "/v1/lists?name=other&from=%2B14155559999",
                                  "telephone\n+14155550123\n", headers);
  CHECK(broken.status == 400);
  CHECK(Service::json_of(broken)["detail"].get<std::string>().find("phone") != std::string::npos);
}

TEST_CASE("api.lists: bad input is refused with its place and writes nothing") {
  Service api;
  const auto refused = [&](const std::string& body, const std::string& mentions) {
    const auto answer = api.call("POST", "/v1/lists", body);
    INFO(body << " -> " << answer.body);
    CHECK(answer.status == 400);
    CHECK(Service::json_of(answer)["detail"].get<std::string>().find(mentions) !=
          std::string::npos);
  };
  refused("{", "body");
  refused("[]", "object");
  refused(R"({"from":"+14155559999"})", "name");
  refused(R"({"name":"a"})", "from");
  refused(R"({"name":"a","from":"+14155559999","colour":1})", "colour");
  refused(R"({"name":"a","from":"+14155559999","concurrency":"7"})", "concurrency");
  refused(R"({"name":"a","from":"+14155559999","concurrency":0})", "concurrency");
  refused(R"({"name":"a","from":"+14155559999","amd":"maybe"})", "amd");
  refused(R"({"name":"a","from":"+14155559999","region":"Texas"})", "region");
  refused(R"({"name":"a","from":"+14155559999","entries":[{"phone":"+14155550123"},7]})",
          "entry 2");
  refused(R"({"name":"a","from":"+14155559999","entries":[{"phone":"x","variables":{"a":1}}]})",
          "variables.a");
  refused(R"({"name":"a","from":"+14155559999","strict":true,"entries":[{"phone":"12"}]})",
          "strict");
  refused(R"({"name":"42","from":"+14155559999"})", "name");
  CHECK(api.call("POST", "/v1/lists", std::string(300U << 10, ' ')).status == 413);
  CHECK(api.value("SELECT count(*) FROM lists") == "0");
}

TEST_CASE("api.lists: an idempotency key makes a repeated creation safe") {
  Service api;
  const net::Headers headers{{"Authorization", "Bearer " + api.token}, {"Idempotency-Key", "k-1"}};
  const auto first = api.request("POST", "/v1/lists", kMinimal, headers);
  const auto second = api.request("POST", "/v1/lists", kMinimal, headers);
  CHECK(first.status == 201);
  CHECK(second.status == 200);
  CHECK(second.headers.get("Idempotent-Replayed") == "true");
  CHECK(Service::json_of(first)["id"] == Service::json_of(second)["id"]);
  CHECK(api.value("SELECT count(*) FROM lists") == "1");
  CHECK(api.call("POST", "/v1/lists", kMinimal).status == 409);
}

TEST_CASE("api.lists: predecessor A8.13 another tenant's list does not exist") {
  Service api;
  const auto id = std::to_string(api.make_list("ours"));
  const auto theirs = api.token_of("stranger");
  const net::Headers headers{{"Authorization", "Bearer " + theirs}};
  const std::vector<std::string> targets{"/v1/lists/" + id, "/v1/lists/ours",
                                         "/v1/lists/" + id + "/entries"};
  for (const auto& target : targets) CHECK(api.request("GET", target, "", headers).status == 404);
  for (const std::string verb : {"start", "pause", "resume", "cancel"})
    CHECK(api.request("POST", "/v1/lists/" + id + "/" + verb, "", headers).status == 404);
  const auto all = Service::json_of(api.request("GET", "/v1/lists", "", headers));
  CHECK(all["lists"].empty());
  CHECK(api.value("SELECT state FROM lists") == "draft");
}

TEST_CASE("api.lists: predecessor A8.19 starting twice enqueues one job") {
  Service api;
  const auto path = "/v1/lists/" + std::to_string(api.make_list("twice")) + "/start";
  const auto first = api.call("POST", path);
  const auto second = api.call("POST", path);
  CHECK(Service::json_of(first)["changed"] == true);
  CHECK(Service::json_of(first)["state"] == "running");
  CHECK(second.status == 200);
  CHECK(Service::json_of(second)["changed"] == false);
  CHECK(api.jobs_waiting("dial") == 1);
  CHECK(api.value("SELECT count(*) FROM outbox") == "1");
  CHECK(api.value("SELECT count(*) FROM attempts") == "0");
}

TEST_CASE("api.lists: without Redis a start is accepted and its job waits in the outbox") {
  Service api(Service::Behind::no_redis);
  const auto path = "/v1/lists/" + std::to_string(api.make_list("no redis")) + "/start";
  CHECK(api.call("POST", path).status == 200);
  CHECK(api.value("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == "1");
  const auto ready = api.request("GET", "/readyz");
  CHECK(ready.status == 200);
  CHECK(Service::json_of(ready)["checks"]["redis"] != "ok");
}

TEST_CASE("api.lists: pause, resume and cancel, and what the state does not allow") {
  Service api;
  const auto path = "/v1/lists/" + std::to_string(api.make_list("states"));
  CHECK(api.call("POST", path + "/start").status == 200);
  CHECK(Service::json_of(api.call("POST", path + "/pause"))["state"] == "paused");
  CHECK(Service::json_of(api.call("POST", path + "/resume"))["state"] == "running");
  const auto cancelled = Service::json_of(api.call("POST", path + "/cancel"));
  CHECK(cancelled["state"] == "cancelled");
  CHECK(cancelled["outcomes"]["cancelled"] == 1);
  const auto late = api.call("POST", path + "/start");
  CHECK(late.status == 409);
  CHECK(code_of(late) == "conflict");
}

TEST_CASE("api.lists: resume starts no draft, and what is refused has started nothing") {
  Service api;
  const auto path = "/v1/lists/" + std::to_string(api.make_list("careful"));
  const auto state = [&] { return Service::json_of(api.call("GET", path))["state"]; };
  CHECK(api.call("POST", path + "/resume").status == 409);
  for (const std::string verb : {"/start?hang_up=true", "/resume?hang_up=true"})
    CHECK(api.call("POST", path + verb).status == 400);
  CHECK(api.call("POST", path + "/start?hang_up=true", R"({"at":"2099-01-01T00:00:00Z"})").status ==
        400);
  CHECK(state() == "draft");
  CHECK(api.call("POST", path + "/start", R"({"at":"2099-01-01T00:00:00Z"})").status == 200);
  const auto waits = Service::json_of(api.call("POST", path + "/resume"));
  CHECK(waits["changed"] == false);
  CHECK(waits["start_at"] == "2099-01-01T00:00:00Z");
}

TEST_CASE("api.lists: pages follow the cursor to the oldest") {
  Service api;
  for (const auto* name : {"a", "b", "c"}) api.make_list(name);
  const auto first = Service::json_of(api.call("GET", "/v1/lists?limit=2"));
  CHECK(first["lists"].size() == 2);
  const auto rest =
      Service::json_of(api.call("GET", "/v1/lists?limit=2&cursor=" + first["next_cursor"].dump()));
  REQUIRE(rest["lists"].size() == 1);
  CHECK(rest["lists"][0]["name"] == "a");
  CHECK(rest["next_cursor"].is_null());
  CHECK(api.call("GET", "/v1/lists?cursor=x").status == 400);
}

TEST_CASE("api.lists: strict and added count what only the store can refuse") {
  Service api;
  const std::string rows = R"("entries":[{"phone":"+14155550123"},{"phone":"+14155550124"}]})";
  REQUIRE(
      api.call("POST", "/v1/lists", R"({"name":"first","from":"+14155559999",)" + rows).status ==
      201);
  const std::string open = R"({"name":"second","from":"+14155559999","unique":"open",)";
  CHECK(api.call("POST", "/v1/lists", open + R"("strict":true,)" + rows).status == 400);
  CHECK(api.value("SELECT count(*) FROM lists") == "1");
  const auto second = Service::json_of(api.call("POST", "/v1/lists", open + rows));
  CHECK(second["refused"] == 2);
  CHECK(second["refusals"][0]["reason"] == "in_other_list");

  const auto path = "/v1/lists/first/entries";
  const std::string three =
      R"("entries":[{"phone":"+14155550124"},{"phone":"+14155550125"},{"phone":"1"}]})";
  CHECK(api.call("POST", path, R"({"strict":true,)" + three).status == 400);
  CHECK(api.call("POST", path, R"({"unique":"all",)" + three).status == 400);
  const auto more = Service::json_of(api.call("POST", path, "{" + three));
  CHECK(more["added"] == 1);
  CHECK(more["refused"] == 2);
  CHECK(more["refusals"][0]["seq"] == 3);
  CHECK(more["refusals"][0]["reason"] == "duplicate");
  CHECK(more["refusals"][1]["reason"] == "invalid_number");
}

TEST_CASE(
    "api.lists: predecessor A9.21 a list that never started can be cancelled, without any worker") {
  Service api;
  const auto path = "/v1/lists/" + std::to_string(api.make_list("draft"));
  const auto cancelled = api.call("POST", path + "/cancel");
  CHECK(cancelled.status == 200);
  CHECK(Service::json_of(cancelled)["state"] == "cancelled");
  CHECK(Service::json_of(cancelled)["pending"] == 0);
}

TEST_CASE("api.entries: pages follow the cursor, filters are checked") {
  Service api;
  std::string rows;
  for (int i = 0; i < 5; ++i)
    rows +=
        (i > 0 ? "," : "") + std::string(R"({"phone":"+1415555012)") + std::to_string(i) + "\"}";
  const auto made = api.call("POST", "/v1/lists",
                             R"({"name":"pages","from":"+14155559999","entries":[)" + rows + "]}");
  REQUIRE(made.status == 201);
  const auto first = Service::json_of(api.call("GET", "/v1/lists/pages/entries?limit=3"));
  CHECK(first["entries"].size() == 3);
  const auto rest = Service::json_of(
      api.call("GET", "/v1/lists/pages/entries?limit=3&cursor=" + first["next_cursor"].dump()));
  CHECK(rest["entries"].size() == 2);
  CHECK(rest["next_cursor"].is_null());
  CHECK(rest["entries"][0]["phone"] == "+14155550123");
  CHECK(Service::json_of(api.call("GET", "/v1/lists/pages/entries?state=done"))["entries"].empty());
  for (const std::string bad : {"state=dead", "limit=0", "cursor=x", "colour=red"})
    CHECK(api.call("GET", "/v1/lists/pages/entries?" + bad).status == 400);
}

TEST_CASE("api.entries: entries are added while the list runs, what it has already is refused") {
  Service api;
  const auto id = api.make_list("grows");
  const auto path = "/v1/lists/" + std::to_string(id);
  REQUIRE(api.call("POST", path + "/start").status == 200);
  const auto more =
      R"({"entries":[{"phone":"+14155550123"},{"phone":"+14155550124"},{"phone":"1"}]})";
  const auto answer = api.call("POST", path + "/entries", more);
  INFO(answer.body);
  REQUIRE(answer.status == 201);
  const auto added = Service::json_of(answer);
  CHECK(added["first_seq"] == 2);
  CHECK(added["added"] == 1);
  CHECK(added["refused"] == 2);
  REQUIRE(added["refusals"].size() == 2);
  CHECK(added["refusals"][0]["reason"] == "duplicate");
  CHECK(added["refusals"][1]["reason"] == "invalid_number");
  CHECK(Service::json_of(api.call("GET", path))["pending"] == 2);
  CHECK(api.call("POST", path + "/entries", R"({"entries":[]})").status == 400);
  CHECK(api.call("POST", path + "/entries", R"({"name":"x","entries":[{}]})").status == 400);
  CHECK(api.call("POST", path + "/cancel").status == 200);
  CHECK(api.call("POST", path + "/entries", more).status == 409);
}

TEST_CASE("api.health: without PostgreSQL every answer says to try again, and nothing breaks") {
  Service api(Service::Behind::no_database);
  const auto lists = api.call("GET", "/v1/lists");
  CHECK(lists.status == 503);
  CHECK(lists.headers.get("Retry-After") == "5");
  CHECK(code_of(lists) == "unavailable");
  const net::Params report{{"CallSid", "CA00000000000000000000000000000001"},
                           {"CallStatus", "completed"}};
  const auto webhook = api.webhook("/twilio/status/0123456789abcdef", report);
  CHECK(webhook.status == 503);
  CHECK(webhook.headers.get("Retry-After") == "5");
  const auto ready = api.request("GET", "/readyz");
  CHECK(ready.status == 503);
  CHECK(Service::json_of(ready)["checks"]["postgresql"] != "ok");
  CHECK(api.request("GET", "/healthz").status == 200);
}

TEST_CASE("api.health: alive, ready and counted") {
  Service api;
  CHECK(api.request("GET", "/healthz").status == 200);
  const auto ready = api.request("GET", "/readyz");
  CHECK(ready.status == 200);
  CHECK(Service::json_of(ready)["checks"]["postgresql"] == "ok");
  const auto metrics = api.request("GET", "/metrics");
  CHECK(metrics.body.find("calld_api_answers_total{class=\"2xx\"}") != std::string::npos);
}

}  // namespace
}  // namespace call::api_test
