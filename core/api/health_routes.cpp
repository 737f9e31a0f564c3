#include <nlohmann/json.hpp>

#include "core/api/context.hpp"
#include "core/json/json.hpp"
#include "core/store/migrate.hpp"

namespace call::api {
namespace {

std::string check_store(Context& context) {
  auto connection = context.store();
  if (!connection) return connection.error().context;
  const auto schema = store::require_schema(**connection);
  return schema ? "ok" : schema.error().context;
}

/// Without PostgreSQL, or with another schema, nothing can be answered. Without Redis everything
/// can: jobs wait in the outbox, and webhooks must be taken.
net::HttpResponse ready(Context& context) {
  const auto database = check_store(context);
  const auto redis = context.ping_redis();
  const bool is_ready = database == "ok";
  const Json body{
      {"ready", is_ready},
      {"checks",
       {{"postgresql", database},
        {"redis", redis ? "ok" : "away, jobs wait in the outbox: " + redis.error().context}}}};
  return net::json_response(is_ready ? 200 : 503, json::dump(body) + "\n");
}

net::HttpResponse metrics_page(Context& context) {
  auto response = net::text_response(200, context.metrics().text());
  response.headers.set("Content-Type", std::string(metrics::kContentType));
  return response;
}

}  // namespace

void add_health_routes(Router& router, Context& context) {
  router.add("GET", "/healthz", [](const Request&) { return net::text_response(200, "ok\n"); });
  router.add("GET", "/readyz", [&context](const Request&) { return ready(context); });
  router.add("GET", "/metrics", [&context](const Request&) { return metrics_page(context); });
}

}  // namespace call::api
