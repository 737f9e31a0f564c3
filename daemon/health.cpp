#include "daemon/health.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json/json.hpp"

namespace call::daemon {
namespace {

net::HttpResponse readiness(const std::vector<Check>& checks) {
  const bool ready =
      std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.ok(); });
  Json states = Json::object();
  for (const auto& check : checks) states[check.name] = check.state;
  const Json body{{"ready", ready}, {"checks", std::move(states)}};
  return net::json_response(ready ? 200 : 503, json::dump(body) + "\n");
}

}  // namespace

net::HttpResponse answer_health(const net::HttpRequest& request, const metrics::Registry& metrics,
                                const Checks& checks) {
  if (request.method != "GET") return net::text_response(405, "only GET\n");
  if (request.path() == "/healthz") return net::text_response(200, "ok\n");
  if (request.path() == "/readyz") return readiness(checks());
  if (request.path() != "/metrics") return net::text_response(404, "not found\n");
  auto page = net::text_response(200, metrics.text());
  page.headers.set("Content-Type", std::string(metrics::kContentType));
  return page;
}

}  // namespace call::daemon
