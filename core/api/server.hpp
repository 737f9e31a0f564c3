// The HTTP API: lists for tenants, webhooks for the carrier, health and metrics for operators. A handler
// only reads, writes and enqueues: nothing here ever dials. Endpoints and examples: docs/api.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/carrier/signature.hpp"
#include "core/dialer/call_plan.hpp"
#include "core/net/http_server.hpp"
#include "core/redis/endpoint.hpp"
#include "core/store/pool.hpp"

namespace call::metrics {
class Registry;
}

namespace call::api {

struct Options {
  net::HttpServerOptions http;        ///< max_body_bytes also limits what a list may bring
  dialer::PublicUrls urls;            ///< webhooks are signed for urls.api
  carrier::SignatureKeys keys;        ///< of the carrier account; `primary` also signs media tokens
  std::string default_region = "US";  ///< of numbers without a country code, unless a list says so
  std::string machine_farewell;       ///< as of dialer::Options
  std::int64_t account_concurrency = 0;  ///< the same
  std::chrono::seconds media_token_ttl{3600};
};

/// Borrowed for the server's life; thread-safe.
struct Deps {
  store::Pool* store = nullptr;  ///< best as many connections as http.threads
  redis::Endpoint redis;
  metrics::Registry* metrics = nullptr;
};

/// Thread-safe.
class Server {
 public:
  /// Errors as of net::HttpServer::start(). PostgreSQL and Redis need not be there yet: without the
  /// first, requests are answered 503; without the second, jobs wait in the outbox.
  static Result<std::unique_ptr<Server>> start(Options options, Deps deps);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const;
  /// All that is answered: "GET /v1/lists/{id}".
  std::vector<std::string> routes() const;
  /// Lets running requests finish until the deadline. Blocks.
  void stop(Deadline deadline);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::api
