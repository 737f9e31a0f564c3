#include "daemon/health.hpp"

#include <catch2/catch.hpp>

namespace call::daemon {
namespace {

net::HttpResponse get(std::string target, const Checks& checks) {
  metrics::Registry registry;
  registry.counter("calld_test_total", "Tests").add(7);
  net::HttpRequest request;
  request.target = std::move(target);
  return answer_health(request, registry, checks);
}

TEST_CASE("daemon.health: alive and ready are different questions") {
  const Checks checks = [] {
    return std::vector<Check>{{"postgresql", "ok"}, {"redis", "nobody answers"}};
  };
  CHECK(get("/healthz", checks).status == 200);
  const auto ready = get("/readyz?x=1", checks);
  CHECK(ready.status == 503);
  CHECK(ready.body ==
        "{\"checks\":{\"postgresql\":\"ok\",\"redis\":\"nobody answers\"},\"ready\":false}\n");
}

TEST_CASE("daemon.health: ready when everything is ok") {
  const auto ready = get("/readyz", [] { return std::vector<Check>{{"redis", "ok"}}; });
  CHECK(ready.status == 200);
  CHECK(ready.headers.get("content-type").starts_with("application/json"));
}

TEST_CASE("daemon.health: metrics are Prometheus's text, everything else is not there") {
  const auto page = get("/metrics", {});
  CHECK(page.body.find("calld_test_total 7\n") != std::string::npos);
  CHECK(page.headers.get("content-type") == metrics::kContentType);
  CHECK(get("/other", {}).status == 404);
}

}  // namespace
}  // namespace call::daemon
