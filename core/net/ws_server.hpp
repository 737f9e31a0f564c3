// A WebSocket server for thousands of connections on a few loops. Also answers plain HTTP requests
// on the same port, for health and metrics. With a certificate it speaks TLS; else TLS ends in front
// of us.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/net/http.hpp"
#include "core/net/url.hpp"
#include "core/net/ws.hpp"

namespace call::net {

/// PEM files: the certificate with its chain, and its key.
struct ServerTls {
  std::string certificate_file;
  std::string key_file;
};

struct WsServerOptions {
  HostPort listen{"127.0.0.1", 0};  ///< port 0: any free one, see WsServer::port()
  WsLimits limits;
  std::size_t max_connections = 4096;
  /// Connections without a complete request; above it the oldest of them is cut.
  std::size_t max_handshakes = 256;
  std::size_t max_header_bytes = 16U << 10;
  std::optional<ServerTls> tls;
  /// Chosen when the client offers it (Sec-WebSocket-Protocol); empty: none is.
  std::string subprotocol = "audio.twilio.com";
};

/// A handler for the connection to be, or the HTTP answer that refuses it.
using WsUpgrade = std::variant<std::unique_ptr<WsHandler>, HttpResponse>;

/// Both run on the connection's loop; they must not block and must not throw.
struct WsServerHooks {
  std::function<WsUpgrade(const HttpRequest&)> upgrade;
  std::function<HttpResponse(const HttpRequest&)>
      http;  ///< requests without an upgrade; empty: 404
};

class WsServer {
 public:
  /// Each connection is pinned to one of `loops` (in turn), which must outlive the server. Errors
  /// as HttpServer::start(), and Errc::invalid_argument for a certificate that cannot be used.
  static Result<std::unique_ptr<WsServer>> start(WsServerOptions options, WsServerHooks hooks,
                                                 const std::vector<runtime::Loop*>& loops);
  /// stop() without grace.
  ~WsServer();
  WsServer(const WsServer&) = delete;
  WsServer& operator=(const WsServer&) = delete;

  std::uint16_t port() const;
  std::size_t connections() const;  ///< upgraded and not closed yet; thread-safe
  /// New upgrades are answered 503 while the open connections and plain HTTP go on. Thread-safe.
  void refuse_upgrades();
  /// Waits until connections() is 0; false at the deadline. Blocks; not on a loop.
  bool wait_idle(Deadline deadline);
  /// Closes the listener and every connection with 1001. Every handler has had its on_close() when
  /// it returns, and no hook or handler runs any more; the deadline is for the last messages to
  /// reach the peers. The loops must still run. Blocks; not on a loop; may be called twice.
  void stop(Deadline deadline);

 private:
  struct Impl;
  explicit WsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::net
