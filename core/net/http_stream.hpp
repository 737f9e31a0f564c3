// HTTP/1.1 calls on a loop, for providers whose answers come bit by bit (server-sent events, audio in
// chunks). Connections are kept and used again. No redirects.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "core/base/error.hpp"
#include "core/net/http.hpp"
#include "core/net/http_client.hpp"
#include "core/net/tls_client.hpp"
#include "core/net/url.hpp"
#include "core/runtime/loop.hpp"

namespace call::net {

struct HttpStreamLimits {
  std::chrono::milliseconds connect{5000};   ///< name, TCP and TLS
  std::chrono::milliseconds head{10000};     ///< from the request to the answer's first line
  std::chrono::milliseconds silence{10000};  ///< between two pieces of the body
  std::chrono::milliseconds total{60000};
  std::size_t max_body_bytes = 32U << 20;
  /// A kept connection may turn out to be closed by the server. true: the request is then sent once
  /// more on a fresh one, if no byte of an answer was seen. false: a fresh connection from the start.
  bool repeatable = true;
};

/// Whoever takes an answer. Called on the loop, must not block.
class HttpReceiver {
 public:
  virtual ~HttpReceiver() = default;
  /// `head`: status and header fields, no body. Any status.
  virtual void on_head(const HttpResponse& head) = 0;
  virtual void on_body(std::string_view piece) = 0;
  /// One of the two, once, and last; neither after cancel() has taken effect.
  virtual void on_end() = 0;
  /// Codes as http_call().
  virtual void on_error(const Error& error) = 0;
};

class HttpStreams {
 public:
  /// `loop` must outlive the object. Thread-safe.
  HttpStreams(runtime::Loop& loop, std::shared_ptr<TlsClient> tls);
  /// Cancels what is still going on.
  ~HttpStreams();
  HttpStreams(const HttpStreams&) = delete;
  HttpStreams& operator=(const HttpStreams&) = delete;

  struct Task;
  /// A call on its way; may outlive the HttpStreams, not the loop.
  class Handle {
   public:
    Handle() = default;
    explicit Handle(std::function<void()> cancel) : cancel_(std::move(cancel)) {}
    /// Closes the connection: the server sees at once that nobody listens any more. Thread-safe; a
    /// piece that is being delivered at this moment still arrives.
    void cancel() const {
      if (cancel_) cancel_();
    }

   private:
    std::function<void()> cancel_;
  };

  /// Returns at once. Thread-safe.
  Handle start(Url url, HttpRequest request, const HttpStreamLimits& limits,
               std::shared_ptr<HttpReceiver> receiver);

  static constexpr std::size_t kMaxIdle = 64;  ///< connections kept, over all servers
  static constexpr std::chrono::seconds kMaxIdleTime{30};

  struct Impl;

 private:
  runtime::Loop& loop_;
  std::shared_ptr<Impl> impl_;
};

}  // namespace call::net
