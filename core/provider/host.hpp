// What the providers of a process share: one network loop, kept HTTP connections, the certificates
// to trust, and the circuit breakers.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "core/base/guarded.hpp"
#include "core/base/result.hpp"
#include "core/metrics/metrics.hpp"
#include "core/net/http_stream.hpp"
#include "core/net/tls_client.hpp"
#include "core/provider/breaker.hpp"
#include "core/runtime/loop.hpp"

namespace call::provider {

class Host {
 public:
  /// Errors as net::TlsClient::make(). The registry must outlive the host. Blocks.
  static Result<std::unique_ptr<Host>> make(const net::TlsOptions& tls,
                                            metrics::Registry& registry);
  /// All engines are gone by now; stops the loop.
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  runtime::Loop& loop() { return *loop_; }
  net::HttpStreams& http() { return *http_; }
  const std::shared_ptr<net::TlsClient>& tls() const { return tls_; }
  /// One for each service, e.g. "chat https://api.openai.com"; the same for the same name.
  /// Thread-safe.
  std::shared_ptr<Breaker> breaker(const std::string& service);

 private:
  Host(std::shared_ptr<net::TlsClient> tls, metrics::Registry& registry);

  const std::shared_ptr<net::TlsClient> tls_;
  metrics::Registry& registry_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<net::HttpStreams> http_;
  Guarded<std::map<std::string, std::shared_ptr<Breaker>>> breakers_;
};

}  // namespace call::provider
