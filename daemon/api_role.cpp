#include <fmt/format.h>

#include "core/api/server.hpp"
#include "core/dialer/instruments.hpp"
#include "core/net/http_server.hpp"
#include "core/store/pool.hpp"
#include "daemon/database.hpp"
#include "daemon/health.hpp"
#include "daemon/roles.hpp"
#include "daemon/wiring.hpp"

namespace call::daemon {
namespace {

// While PostgreSQL is away the API's address answers /healthz, says at /readyz what is missing, and
// sends everything else, webhooks too, away with "try again".
Status wait_at_the_door(Process& process, const net::HttpServerOptions& http,
                        const store::Options& database) {
  const auto found = look_at_database(database);
  if (found || !is_away(found.error())) return found;
  const auto answer = [&process](const net::HttpRequest& request) {
    const auto path = request.path();
    if (path == "/healthz" || path == "/readyz" || path == "/metrics") {
      return answer_health(request, process.metrics(), [] {
        return std::vector<Check>{{"postgresql", "not reachable yet"}};
      });
    }
    auto busy = net::text_response(503, "PostgreSQL is not reachable yet\n");
    busy.headers.set("Retry-After", "5");
    return busy;
  };
  CALL_TRY(const auto door, net::HttpServer::start(http, answer));
  return wait_for_database(process, database);
}

}  // namespace

Status run_api(Process& process) {
  constexpr std::chrono::seconds kDrain{10};
  const auto& config = process.config();
  CALL_TRY(const auto account, carrier_options(config));
  CALL_TRY(const auto redis, redis_endpoint(config));
  auto options = api_options(config, account);
  options.http.pulses = &process.pulses();
  const auto database = store_options(config, process.role());
  CALL_CHECK(wait_at_the_door(process, options.http, database));

  store::Pool pool(database, static_cast<std::size_t>(config.database.pool_size));
  const carrier::Carrier carrier(account);
  CALL_TRY(const auto server, api::Server::start(options, {&pool, redis, &process.metrics()}));
  dialer::Instruments instruments(process.metrics());
  const dialer::Deps deps{&pool, nullptr, redis, &carrier, nullptr, nullptr, nullptr, &instruments};
  const StartCleanup cleanup(process, deps, dialer_options(config));
  process.ready(fmt::format("serving on {}:{}", config.api.listen.host, server->port()));
  process.run_until_told_to_end();
  server->stop(Deadline::after(kDrain));
  return {};
}

}  // namespace call::daemon
