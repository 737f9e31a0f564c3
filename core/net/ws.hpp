// WebSocket connections (RFC 6455), the same for both sides. A connection lives on one loop for
// life; the handler is called on that loop's thread only and must never block. No extension is
// offered or accepted.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace call::runtime {
class Loop;
}

namespace call::net {

class WsConnection;

struct WsLimits {
  std::size_t max_message_bytes = 64U << 10;  ///< received; above: closed with 1009
  std::size_t max_queued_bytes = 1U << 20;    ///< to be sent; above: Send::full
  std::chrono::milliseconds handshake_timeout{10000};
  /// A peer from which nothing came for this long is gone; it is pinged at half of it.
  std::chrono::milliseconds idle_timeout{30000};
  /// Having sent nothing for this long we ping: proxies close what looks idle from their side.
  std::chrono::milliseconds keep_alive{20000};
  /// How long the last messages and the close frame may take once close() was called.
  std::chrono::milliseconds close_timeout{3000};
};

enum class Send {
  ok,
  full,    ///< the peer does not read: max_queued_bytes are waiting; the message was not taken
  closed,  ///< not open yet, or no more
};

/// Why a connection ended.
struct WsClose {
  enum class By { peer, local, failure };
  By by = By::failure;
  /// The close code; 1005 when the peer gave none, 1006 when the connection was lost or never
  /// opened.
  std::uint16_t code = 1006;
  std::string reason;   ///< the peer's text, ours, or what failed
  int http_status = 0;  ///< clients: the server's answer when it refused the upgrade
};

/// What the owner of a conversation implements. Owned by the connection, destroyed on the loop
/// right after on_close().
class WsHandler {
 public:
  virtual ~WsHandler() = default;
  /// `connection` stays valid until on_close() has returned.
  virtual void on_open(WsConnection& connection) = 0;
  virtual void on_text(
      std::string_view message) = 0;  ///< valid UTF-8; the bytes are gone after the call
  virtual void on_binary(std::string_view message) = 0;
  /// Exactly once, and last; also when the connection never opened (then without on_open()).
  virtual void on_close(const WsClose& close) = 0;
};

/// Reaches a connection from any thread, and may outlive it.
class WsHandle {
 public:
  class Target {
   public:
    virtual ~Target() = default;
    virtual bool post(std::function<void(WsConnection&)> task) = 0;
  };

  WsHandle() = default;
  explicit WsHandle(std::shared_ptr<Target> target) : target_(std::move(target)) {}
  /// Runs `task` on the connection's loop unless its on_close() has been called by then.
  /// Thread-safe, never inline. False when the connection is known to be gone already. The loop
  /// must still exist.
  bool post(std::function<void(WsConnection&)> task) const {
    return target_ && target_->post(std::move(task));
  }

 private:
  std::shared_ptr<Target> target_;
};

/// All members on the loop's thread only (asserted), except handle() and loop().
class WsConnection {
 public:
  virtual ~WsConnection() = default;
  /// Copies the message into the queue. Nothing is sent partly.
  virtual Send send_text(std::string_view message) = 0;
  virtual Send send_binary(std::string_view message) = 0;
  /// Sends what is queued and a close frame in the background. on_close(By::local) follows from the
  /// loop without waiting for the peer; nothing is received in between. `reason` has at most 123
  /// bytes (cut). During ws_connect() it gives the attempt up.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  virtual std::size_t queued_bytes() const = 0;  ///< not yet handed to the kernel
  virtual WsHandle handle() = 0;                 ///< thread-safe
  virtual runtime::Loop& loop() = 0;             ///< thread-safe
};

}  // namespace call::net
