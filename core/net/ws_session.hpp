// One WebSocket connection, either side, over TCP or TLS. Private to net: included by .cpp files
// only. All of it belongs to the connection's loop.
//
// The end of a connection has two moments. finish(): the handler learns of it and is destroyed;
// this never waits for the peer. gone(): the socket is closed; until then the last messages and the
// close frames are on their way.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/net/http_io.hpp"
#include "core/net/ws.hpp"
#include "core/runtime/timer.hpp"

namespace call::net {

namespace websocket = boost::beast::websocket;

/// A type of its own, so that Beast finds the teardown below.
class WsTcpStream : public TcpStream {
 public:
  using TcpStream::TcpStream;
};
using WsTlsStream = beast::ssl_stream<WsTcpStream>;
using UpgradeRequest = http::request<http::string_body>;

/// What Beast calls after the last frame. Its own versions wait until the peer has closed, without
/// a limit; these do not wait, and the session does, with one.
template <class Handler>
void async_teardown(beast::role_type, WsTcpStream& stream, Handler&& handler) {
  error_code ec;
  stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ec);
  asio::post(stream.get_executor(),
             beast::bind_front_handler(std::forward<Handler>(handler), error_code()));
}
template <class Handler>
void async_teardown(beast::role_type role, WsTlsStream& stream, Handler&& handler) {
  async_teardown(role, stream.next_layer(), std::forward<Handler>(handler));
}

template <class Stream>
class WsSession final : public WsConnection,
                        public std::enable_shared_from_this<WsSession<Stream>> {
 public:
  /// Told once each, on the loop; may be empty.
  struct Watch {
    std::function<void()> finished;
    std::function<void()> gone;
  };

  static std::shared_ptr<WsSession> make(runtime::Loop& loop, Stream stream, const WsLimits& limits,
                                         std::unique_ptr<WsHandler> handler, Watch watch = {});
  /// For make(), which adds what needs a shared_ptr.
  WsSession(runtime::Loop& loop, Stream stream, const WsLimits& limits,
            std::unique_ptr<WsHandler> handler, Watch watch);

  /// Server: answers 101 with that subprotocol (if not empty) and goes on from there.
  void accept(UpgradeRequest request, std::string subprotocol);
  /// Client: starts the time allowed for connecting, in which fail() and handshake() are called.
  void start_connecting();
  void handshake(const std::string& host, const std::string& target, Headers headers);
  /// Client: the connection cannot be opened.
  void fail(std::string why, int http_status = 0);
  bool connecting() const { return state_ == State::connecting; }
  Stream& stream() { return ws_.next_layer(); }
  /// Closes the socket now.
  void cut() { gone(); }

  Send send_text(std::string_view message) override { return send(message, true); }
  Send send_binary(std::string_view message) override { return send(message, false); }
  void close(std::uint16_t code, std::string_view reason) override;
  std::size_t queued_bytes() const override { return queued_bytes_; }
  WsHandle handle() override;
  runtime::Loop& loop() override { return loop_; }

 private:
  enum class State { connecting, open, local_closing, ended };
  struct Message {
    std::string bytes;
    bool text = true;
  };
  class Target;

  void set_timeouts(std::chrono::milliseconds handshake);
  void opened();
  void read();
  void on_read(const error_code& ec);
  Send send(std::string_view message, bool text);
  void write();
  void on_written(const error_code& ec);
  void send_close();
  void on_peer_close();
  void on_broken(const error_code& ec);
  void linger();
  void discard();
  void finish(const WsClose& close);
  void gone();

  runtime::Loop& loop_;
  const WsLimits limits_;
  websocket::stream<Stream, false> ws_;  // false: no permessage-deflate
  std::unique_ptr<WsHandler> handler_;   // null once finished
  Watch watch_;
  runtime::Timer timer_;
  std::shared_ptr<Target> target_;
  State state_ = State::connecting;
  beast::flat_buffer in_;
  websocket::response_type answer_;
  std::deque<Message> out_;         // the front one is being written while writing_
  std::vector<std::string> spare_;  // buffers to use again
  std::size_t queued_bytes_ = 0;
  bool writing_ = false;
  bool gone_ = false;
  websocket::close_reason close_reason_;
};

extern template class WsSession<WsTcpStream>;
extern template class WsSession<WsTlsStream>;

}  // namespace call::net
