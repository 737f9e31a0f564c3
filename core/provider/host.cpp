#include "core/provider/host.hpp"

namespace call::provider {

Result<std::unique_ptr<Host>> Host::make(const net::TlsOptions& options,
                                         metrics::Registry& registry) {
  CALL_TRY(auto tls, net::TlsClient::make(options));
  return std::unique_ptr<Host>(new Host(std::move(tls), registry));
}

Host::Host(std::shared_ptr<net::TlsClient> tls, metrics::Registry& registry)
    : tls_(std::move(tls)),
      registry_(registry),
      loop_(std::make_unique<runtime::Loop>("net")),
      http_(std::make_unique<net::HttpStreams>(*loop_, tls_)) {}

Host::~Host() {
  // Behind the farewells of engines that are gone: their timers hold what they belong to until then.
  loop_->post([loop = loop_.get()] { loop->stop(); });
  loop_->join();
}

std::shared_ptr<Breaker> Host::breaker(const std::string& service) {
  return breakers_.with([&](auto& all) {
    auto& breaker = all[service];
    if (!breaker) {
      breaker = std::make_shared<Breaker>();
      breaker->count_in(
          registry_.counter("calld_provider_failures_total", "Failed requests, by service",
                            {{"service", service}}),
          registry_.counter("calld_provider_refusals_total",
                            "Requests not sent because the service had failed too often",
                            {{"service", service}}));
    }
    return breaker;
  });
}

}  // namespace call::provider
