#pragma once

#include <memory>

#include "core/net/http.hpp"
#include "core/net/http_client.hpp"
#include "core/net/tls_client.hpp"
#include "core/net/url.hpp"
#include "core/net/ws.hpp"

namespace call::net {

struct WsClientOptions {
  WsLimits limits;
  TlsOptions tls;
  std::shared_ptr<TlsClient> tls_client;  ///< instead of `tls`, which reads the certificates anew
};

/// Connects to a ws: or wss: URL with these header fields added (a Sec-WebSocket-Protocol among
/// them offers subprotocols). Returns at once; the outcome is the handler's on_open() or
/// on_close(), from the loop. The handle reaches the connection from the start, so that an attempt
/// can be given up. Thread-safe. `loop` must outlive the connection.
WsHandle ws_connect(runtime::Loop& loop, const Url& url, Headers headers,
                    std::unique_ptr<WsHandler> handler, const WsClientOptions& options = {});

}  // namespace call::net
