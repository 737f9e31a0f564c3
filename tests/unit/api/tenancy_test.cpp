// Every route, with the identifiers of another tenant: what is another's does not exist.
#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/unit/api/service.hpp"

namespace call::api_test {
namespace {

/// How a route is asked, and what a stranger must be told. {…} stands for what the owner has.
struct Ask {
  std::string path;
  std::string body;
  int status = 404;
  std::string empty_array{};  ///< 200: this member must be an empty array
};

std::string fill(std::string text, const std::map<std::string, std::string>& owned) {
  for (const auto& [name, value] : owned) {
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 1))
      text.replace(at, name.size(), value);
  }
  return text;
}

}  // namespace

TEST_CASE("api.tenancy: every route of the API treats another tenant's things as not there") {
  Service api;
  const auto list = api.make_list("theirs");
  REQUIRE(api.call("POST", "/v1/lists/theirs/start").status == 200);
  api.sent_attempt(list);
  const auto id = std::to_string(list);
  api.call("PUT", "/v1/policies/theirs", "{}");
  api.call("POST", "/v1/dnc", R"({"patterns": ["+14155550123"]})");
  const std::map<std::string, std::string> owned{
      {"LIST", id},
      {"ENTRY", api.value("SELECT id FROM entries WHERE list_id = " + id + " LIMIT 1")},
      {"ATTEMPT", api.value("SELECT id FROM attempts LIMIT 1")}};

  const std::map<std::string, std::vector<Ask>> asked{
      {"GET /v1/lists", {{"/v1/lists", "", 200, "lists"}}},
      {"POST /v1/lists",
       {{"/v1/lists", R"({"name":"mine","from":"+14155559999","policy":"theirs"})"},
        {"/v1/lists", R"({"name":"mine","caller_pool":"theirs"})"}}},
      {"GET /v1/lists/{id}", {{"/v1/lists/LIST", ""}, {"/v1/lists/theirs", ""}}},
      {"PATCH /v1/lists/{id}", {{"/v1/lists/LIST", R"({"priority": 1})"}}},
      {"POST /v1/lists/{id}/start",
       {{"/v1/lists/LIST/start", ""},
        {"/v1/lists/LIST/start", R"({"at": "2099-01-01T00:00:00Z"})"}}},
      {"POST /v1/lists/{id}/resume", {{"/v1/lists/LIST/resume", ""}}},
      {"POST /v1/lists/{id}/pause", {{"/v1/lists/LIST/pause", ""}}},
      {"POST /v1/lists/{id}/cancel", {{"/v1/lists/LIST/cancel", ""}}},
      {"GET /v1/lists/{id}/entries", {{"/v1/lists/LIST/entries", ""}}},
      {"POST /v1/lists/{id}/entries",
       {{"/v1/lists/LIST/entries", R"({"entries":[{"phone":"+14155550199"}]})"}}},
      {"GET /v1/dnc", {{"/v1/dnc", "", 200, "rules"}}},
      {"POST /v1/dnc", {{"/v1/dnc", R"({"patterns": ["+14155550123"]})", 201, ""}}},
      {"DELETE /v1/dnc/{pattern}", {{"/v1/dnc/+14155550123", ""}}},
      {"GET /v1/policies", {{"/v1/policies", "", 200, "policies"}}},
      {"GET /v1/policies/{name}", {{"/v1/policies/theirs", ""}}},
      {"PUT /v1/policies/{name}",
       {{"/v1/policies/mine", "{}", 200, ""},
        {"/v1/policies/theirs", R"({"description": "a stranger's, of the same name"})", 200, ""}}},
      {"DELETE /v1/policies/{name}", {{"/v1/policies/theirs", ""}}},
      {"GET /v1/entries/{id}/explain",
       {{"/v1/entries/ENTRY/explain", ""}, {"/v1/entries/theirs%2F1/explain", ""}}},
      {"GET /v1/calls/{sid}", {{"/v1/calls/ATTEMPT", ""}}},
  };

  const auto before = api.value("SELECT string_agg(l::text, ';' ORDER BY id) FROM lists l");
  std::size_t walked = 0;
  for (const auto& route : api.server->routes()) {
    if (route.find(" /v1/") == std::string::npos) continue;  // webhooks and health have no tenant
    INFO(route);
    const auto found = asked.find(route);
    if (found == asked.end()) FAIL("a new route: say here what a stranger is told");
    for (const auto& ask : found->second) {
      INFO(ask.path << " " << ask.body);
      // A stranger of its own for each, so that no answer depends on the one before.
      const net::Headers stranger{
          {"Authorization", "Bearer " + api.token_of("stranger" + std::to_string(walked++))},
          {"Content-Type", "application/json"}};
      const auto method = route.substr(0, route.find(' '));
      const auto answer = api.request(method, fill(ask.path, owned), ask.body, stranger);
      INFO(answer.body);
      CHECK(answer.status == ask.status);
      if (!ask.empty_array.empty()) CHECK(Service::json_of(answer)[ask.empty_array].empty());
    }
  }
  CHECK(walked >= asked.size());
  CHECK(api.value("SELECT string_agg(l::text, ';' ORDER BY id) FROM lists l") == before);
  CHECK(api.value("SELECT document::text FROM policies WHERE tenant_id = 1 AND name = 'theirs'") ==
        "{}");
  CHECK(api.value("SELECT count(*) FROM dnc WHERE tenant_id = 1") == "1");
  CHECK(api.value("SELECT count(*) FROM entries") == "1");
}

TEST_CASE("api.tenancy: a list of one's own cannot go by another tenant's policy or pool") {
  Service api;
  api.call("PUT", "/v1/policies/theirs", "{}");
  const net::Headers stranger{{"Authorization", "Bearer " + api.token_of("stranger")},
                              {"Content-Type", "application/json"}};
  const auto ask = [&](const char* method, const char* path, const char* body) {
    return api.request(method, path, body, stranger).status;
  };
  CHECK(ask("POST", "/v1/lists", R"({"name":"own","from":"+14155559999"})") == 201);
  CHECK(ask("PATCH", "/v1/lists/own", R"({"policy":"theirs"})") == 404);
  CHECK(ask("PATCH", "/v1/lists/own", R"({"priority":1})") == 200);
  CHECK(ask("POST", "/v1/lists", R"({"name":"own too","from":"+14155559999","policy":"theirs"})") ==
        404);
}

TEST_CASE("api.policy: rules are set, asked and explained over HTTP") {
  Service api;
  CHECK(api.call("PUT", "/v1/policies/day", R"({"hours": {"mon-sun": ["00:00-24:00"]}})").status ==
        200);
  const auto wrong = api.call("PUT", "/v1/policies/day", R"({"hours": {"monday": []}})");
  CHECK(wrong.status == 400);
  CHECK(wrong.body.find("monday") != std::string::npos);
  const auto list = std::to_string(api.make_list("spring"));
  const auto changed =
      api.call("PATCH", "/v1/lists/" + list, R"({"policy": "day", "priority": 3})");
  INFO(changed.body);
  CHECK(Service::json_of(changed)["policy"] == "day");
  CHECK(Service::json_of(changed)["priority"] == 3);
  CHECK(api.call("DELETE", "/v1/policies/day").status == 409);
  CHECK(api.call("PATCH", "/v1/lists/" + list, R"({"agent": "x"})").status == 400);

  const auto entry = api.value("SELECT id FROM entries");
  const auto number = api.value("SELECT phone FROM entries");
  const auto explain = [&] {
    return Service::json_of(api.call("GET", "/v1/entries/" + entry + "/explain"));
  };
  CHECK(explain()["verdict"] == "blocked");
  const auto later =
      api.call("POST", "/v1/lists/" + list + "/start", R"({"at": "2099-01-01T00:00:00Z"})");
  CHECK(Service::json_of(later)["start_at"] == "2099-01-01T00:00:00Z");
  CHECK(explain()["verdict"] == "later");
  CHECK(explain()["next_at"] == "2099-01-01T00:00:00Z");
  CHECK(api.call("POST", "/v1/dnc", "{\"patterns\": [\"" + number + "\"]}").status == 201);
  CHECK(explain()["verdict"] == "never");
  CHECK(
      Service::json_of(api.call("GET", "/v1/dnc?number=%2B" + number.substr(1)))["rules"].size() ==
      1);
  CHECK(api.call("DELETE", "/v1/dnc/" + number).status == 200);
  CHECK(api.call("DELETE", "/v1/dnc/" + number).status == 404);
}

}  // namespace call::api_test
