// An HTTP/1.1 server for handlers that may block. One loop thread does all socket work; a bounded
// pool of threads runs the handler. When the pool's queue is full the answer is 503 with
// Retry-After, at once. TLS ends in front of us.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/net/http.hpp"
#include "core/net/url.hpp"
#include "core/runtime/pulse.hpp"

namespace call::net {

struct HttpServerOptions {
  HostPort listen{"127.0.0.1", 0};  ///< port 0: any free one, see HttpServer::port()
  std::string name = "http";        ///< of the threads: NAME-io, NAME-0, ...; at most 12 bytes
  std::size_t threads = 4;
  std::size_t queue_capacity = 64;  ///< requests that wait for a thread
  std::size_t max_connections = 1024;
  std::size_t max_header_bytes = 16U << 10;       ///< above: 431
  std::size_t max_body_bytes = 1U << 20;          ///< above: 413
  std::chrono::milliseconds read_timeout{15000};  ///< for one whole request: 408
  std::chrono::milliseconds idle_timeout{60000};  ///< between requests of one connection: closed
  std::chrono::milliseconds write_timeout{15000};
  runtime::Pulses* pulses = nullptr;  ///< the loop and the pool, as one pulse; may be null
};

/// Runs on a thread of the pool, several at a time; may block. HEAD arrives as GET and its answer
/// is sent without the body. An exception becomes a 500 and a log line.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class HttpServer {
 public:
  /// Listens and serves. Errc::conflict when the port is taken, Errc::permission,
  /// Errc::invalid_argument for an address that is not of this machine; each says what to do.
  static Result<std::unique_ptr<HttpServer>> start(HttpServerOptions options, HttpHandler handler);
  /// stop() without grace.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const;  ///< the bound one
  /// Takes no new connection or request, lets running ones finish until the deadline, then cuts
  /// them. Waits for running handlers in any case, since they use what the caller owns. Blocks; may
  /// be called twice.
  void stop(Deadline deadline);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::net
