#include "daemon/addresses.hpp"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "core/config/schema.hpp"
#include "core/net/http_server.hpp"
#include "daemon/wiring.hpp"

namespace call::daemon {
namespace {

struct Place {
  const char* key;
  config::Listen* listen;
};

Result<std::unique_ptr<net::HttpServer>> take(const Place& place) {
  net::HttpServerOptions options;
  options.listen = host_port(*place.listen);
  options.name = "probe";
  options.threads = 1;
  return net::HttpServer::start(
      options, [](const net::HttpRequest&) { return net::text_response(503, "starting\n"); });
}

void follow(std::string& url, std::string_view fallback, std::string_view scheme,
            const config::Listen& listen) {
  if (url == fallback) url = url_of(scheme, listen);
}

}  // namespace

std::string url_of(std::string_view scheme, const config::Listen& listen) {
  config::Listen reachable = listen;
  if (listen.host == "0.0.0.0") reachable.host = "127.0.0.1";
  if (listen.host == "::") reachable.host = "::1";
  return fmt::format("{}://{}", scheme, reachable.to_string());
}

Status settle_addresses(config::Config& config, bool free_ports) {
  const Place places[] = {{"api.listen", &config.api.listen},
                          {"media.listen", &config.media.listen},
                          {"worker.listen", &config.worker.listen},
                          {"sim.listen", &config.sim.listen}};
  std::vector<std::unique_ptr<net::HttpServer>> held;  // together, so that no port is chosen twice
  for (const Place& place : places) {
    if (free_ports) place.listen->port = 0;
    auto server = take(place);
    if (!server) {
      return Error{server.error().code, fmt::format("{}: {} (--set {}=HOST:PORT, or --free-ports)",
                                                    place.key, server.error().context, place.key)};
    }
    place.listen->port = (*server)->port();
    held.push_back(*std::move(server));
  }
  const auto fallback = [](const char* key) { return config::find_key(key)->fallback; };
  follow(config.api.public_url, fallback("api.public_url"), "http", config.api.listen);
  follow(config.media.public_url, fallback("media.public_url"), "ws", config.media.listen);
  follow(config.carrier.base_url, kSimulatorUrl, "http", config.sim.listen);
  return {};
}

}  // namespace call::daemon
