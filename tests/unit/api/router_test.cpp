#include "core/api/router.hpp"

#include <catch2/catch.hpp>

#include "tests/unit/api/service.hpp"

namespace call::api_test {
namespace {

api::Router router() {
  api::Router out;
  out.add("GET", "/v1/lists/{id}", [](const api::Request& request) {
    return net::text_response(200, "show " + request.captures.at(0));
  });
  out.add("POST", "/v1/lists/{id}/start", [](const api::Request& request) {
    return net::text_response(200, "start " + request.captures.at(0));
  });
  return out;
}

net::HttpResponse ask(const std::string& method, const std::string& target) {
  net::HttpRequest request;
  request.method = method;
  request.target = target;
  return router().route(request);
}

TEST_CASE("api.router: captures are decoded and a trailing slash is not significant") {
  CHECK(ask("GET", "/v1/lists/spring%20survey").body == "show spring survey");
  CHECK(ask("GET", "/v1/lists/42/").body == "show 42");
  CHECK(ask("POST", "/v1/lists/42/start?x=1").body == "start 42");
}

TEST_CASE("api.router: an unknown path is 404 and an unknown method is 405 with Allow") {
  CHECK(ask("GET", "/v2/lists").status == 404);
  CHECK(ask("GET", "/v1/lists//start").status == 404);
  const auto answer = ask("DELETE", "/v1/lists/42");
  CHECK(answer.status == 405);
  CHECK(answer.headers.get("Allow") == "GET");
  CHECK(code_of(answer) == "method_not_allowed");
}

TEST_CASE("api.router: what does not decode is 400") {
  CHECK(ask("GET", "/v1/lists/%zz").status == 400);
  CHECK(ask("GET", "/v1/lists/%ff").status == 400);
  CHECK(ask("GET", "/v1/lists/42?a=%zz").status == 400);
}

}  // namespace
}  // namespace call::api_test
