// The client side of TLS, prepared once: reading the system's certificates takes tens of
// milliseconds, which neither a call nor a loop should spend for every connection.
#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "core/net/http_client.hpp"

namespace call::net {

/// Immutable once made; shared by any number of connections and threads.
class TlsClient {
 public:
  /// Errc::invalid_argument when the CA file cannot be read. Blocks on the disk.
  static Result<std::shared_ptr<TlsClient>> make(const TlsOptions& options);
  ~TlsClient();

  struct Impl;  ///< private to net
  explicit TlsClient(std::unique_ptr<Impl> impl);
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::net
