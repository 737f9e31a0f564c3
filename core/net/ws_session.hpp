// One WebSocket connection, either side, over TCP or TLS. Private to net: included by .cpp files
// only. All of it belongs to the connection's loop.
//
// The end of a connection has two moments. finish(): the handler learns of it and is destroyed;
// this never waits for the peer. gone(): the socket is closed; until then the last messages and the
// close frames are on their way.
//
// What is sent while a read is being worked on, or in one turn of the loop, goes out in one write.
#pragma once

#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/net/http_io.hpp"
#include "core/net/ws.hpp"
#include "core/net/ws_frame.hpp"
#include "core/runtime/timer.hpp"

namespace call::net {

using TlsStream = beast::ssl_stream<TcpStream>;

/// Keys for a client's frames. They protect proxies from being led astray, they keep no secret.
class MaskKeys {
 public:
  MaskKeys();  ///< from the system's randomness
  std::array<unsigned char, 4> next();

 private:
  std::uint64_t state_;
};

template <class Stream>
class WsSession final : public WsConnection,
                        public std::enable_shared_from_this<WsSession<Stream>> {
 public:
  /// Told once each, on the loop; may be empty.
  struct Watch {
    std::function<void()> finished;
    std::function<void()> gone;
  };

  static std::shared_ptr<WsSession> make(runtime::Loop& loop, Stream stream, WsRole role,
                                         const WsLimits& limits, std::unique_ptr<WsHandler> handler,
                                         Watch watch = {});
  /// For make(), which adds what needs a shared_ptr.
  WsSession(runtime::Loop& loop, Stream stream, WsRole role, const WsLimits& limits,
            std::unique_ptr<WsHandler> handler, Watch watch);

  /// Server: sends the 101 and goes on from there.
  void accept(std::string_view answer_head);
  /// Client: starts the time allowed for connecting, in which fail() and handshake() are called.
  void start_connecting();
  void handshake(std::string request_head, std::string expected_accept);
  /// Client: the connection cannot be opened.
  void fail(std::string why, int http_status = 0);
  bool connecting() const { return state_ == State::connecting; }
  Stream& stream() { return stream_; }
  /// Closes the socket now.
  void cut() { gone(); }

  Send send_text(std::string_view message) override { return send(message, WsOpcode::text); }
  Send send_binary(std::string_view message) override { return send(message, WsOpcode::binary); }
  void close(std::uint16_t code, std::string_view reason) override;
  std::size_t queued_bytes() const override { return out_.size() + sending_.size() - sent_; }
  WsHandle handle() override;
  runtime::Loop& loop() override { return loop_; }

 private:
  enum class State {
    connecting,
    open,
    closing,  ///< our close frame is on its way, the peer's is awaited
    parted,   ///< both sides have said all; what is queued goes out, then the socket is shut
  };
  class Target;
  struct Answer;

  void opened(std::string_view early);
  void on_answer(const std::shared_ptr<Answer>& answer, const error_code& ec);
  void read();
  void on_read(const error_code& ec, std::size_t bytes);
  void take(std::span<char> bytes);
  void on_input(const WsInput& input);
  void on_fault();
  void lost(std::string why);
  Send send(std::string_view message, WsOpcode opcode);
  void append(WsOpcode opcode, std::string_view payload);
  void flush_soon();
  void flush();
  void on_written(const error_code& ec, std::size_t bytes);
  void part();
  void check_life();
  void finish(const WsClose& close);
  void gone();

  runtime::Loop& loop_;
  const WsLimits limits_;
  const WsRole role_;
  Stream stream_;
  std::unique_ptr<WsHandler> handler_;  // null once finished
  Watch watch_;
  runtime::Timer timer_;
  std::shared_ptr<Target> target_;
  State state_ = State::connecting;
  WsReader reader_;
  std::optional<MaskKeys> masks_;  // clients
  std::vector<char> in_;
  std::string out_;      // framed, to be sent
  std::string sending_;  // being sent while writing_
  std::size_t sent_ = 0;
  bool writing_ = false;
  bool taking_ = false;  // inside take(): it flushes at its end
  bool flush_posted_ = false;
  bool pinged_ = false;  // and nothing came since
  bool gone_ = false;
  MonoClock::time_point last_in_{};
  MonoClock::time_point last_out_{};
};

extern template class WsSession<TcpStream>;
extern template class WsSession<TlsStream>;

}  // namespace call::net
