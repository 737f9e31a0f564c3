#include "daemon/addresses.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "core/net/http_server.hpp"

namespace call::daemon {
namespace {

config::Config defaults() {
  auto loaded = config::load({{}, {}, [](const std::string&) { return std::nullopt; }});
  REQUIRE(loaded.ok());
  loaded->config.carrier.base_url = kSimulatorUrl;
  return loaded->config;
}

TEST_CASE("daemon.addresses: free ports differ, and the URLs follow them") {
  auto config = defaults();
  REQUIRE(settle_addresses(config, true).ok());
  const std::set<std::uint16_t> ports = {config.api.listen.port, config.media.listen.port,
                                         config.worker.listen.port, config.sim.listen.port};
  CHECK(ports.size() == 4);
  CHECK(ports.count(0) == 0);
  CHECK(config.api.public_url == "http://" + config.api.listen.to_string());
  CHECK(config.media.public_url == "ws://" + config.media.listen.to_string());
  CHECK(config.carrier.base_url == "http://" + config.sim.listen.to_string());
}

TEST_CASE("daemon.addresses: a URL that somebody has set stays") {
  auto config = defaults();
  config.api.public_url = "https://calls.example.com";
  config.carrier.base_url = "https://api.twilio.com";
  REQUIRE(settle_addresses(config, true).ok());
  CHECK(config.api.public_url == "https://calls.example.com");
  CHECK(config.carrier.base_url == "https://api.twilio.com");
}

TEST_CASE("daemon.addresses: a busy port is named, and how to choose another") {
  const auto busy = net::HttpServer::start(
      {}, [](const net::HttpRequest&) { return net::text_response(200, ""); });
  REQUIRE(busy.ok());
  auto config = defaults();
  config.api.listen.port = 0;
  config.worker.listen.port = 0;
  config.sim.listen.port = 0;
  config.media.listen.port = (*busy)->port();
  const auto settled = settle_addresses(config, false);
  REQUIRE_FALSE(settled.ok());
  CHECK(settled.error().code == Errc::conflict);
  CHECK(settled.error().context.find(std::to_string((*busy)->port())) != std::string::npos);
  CHECK(settled.error().context.find("--set media.listen=") != std::string::npos);
}

TEST_CASE("daemon.addresses: an address of every interface is reached by loopback") {
  CHECK(url_of("http", {"0.0.0.0", 80}) == "http://127.0.0.1:80");
  CHECK(url_of("ws", {"::", 81}) == "ws://[::1]:81");
}

}  // namespace
}  // namespace call::daemon
