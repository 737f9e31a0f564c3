#include "core/net/ws_session.hpp"

#include <atomic>
#include <utility>

#include "core/base/assert.hpp"
#include "core/base/strings.hpp"
#include "core/runtime/loop.hpp"

namespace call::net {
namespace {

constexpr std::size_t kSpareBuffers = 16;
constexpr std::size_t kSpareBytes = 4096;  // larger buffers are given back
constexpr std::size_t kMaxReasonBytes = 123;
constexpr std::size_t kDiscardBytes = 4096;

// RFC 6455, section 7.4: what may stand in a close frame.
bool is_sendable(std::uint16_t code) {
  return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
         (code >= 3000 && code <= 4999);
}

WsClose why_broken(const error_code& ec, const WsLimits& limits) {
  WsClose out;
  out.reason = ec.message();
  if (ec == websocket::error::message_too_big) {
    out.code = 1009;
    out.reason = "a message of more than " + std::to_string(limits.max_message_bytes) + " bytes";
  } else if (ec == websocket::condition::protocol_violation) {
    out.code = 1002;
  } else if (ec == beast::error::timeout) {
    out.reason = "nothing came from the peer in time";
  }
  return out;
}

}  // namespace

// Locks the session on its loop only: a last reference dropped on another thread would destroy it
// there.
template <class Stream>
class WsSession<Stream>::Target : public WsHandle::Target {
 public:
  Target(runtime::Loop& loop, std::weak_ptr<WsSession> session)
      : loop_(loop), session_(std::move(session)) {}

  bool post(std::function<void(WsConnection&)> task) override {
    if (finished) return false;
    loop_.post([session = session_, task = std::move(task)] {
      const auto alive = session.lock();
      if (alive && alive->handler_) task(*alive);
    });
    return true;
  }

  std::atomic<bool> finished{false};

 private:
  runtime::Loop& loop_;
  const std::weak_ptr<WsSession> session_;
};
template <class Stream>
std::shared_ptr<WsSession<Stream>> WsSession<Stream>::make(runtime::Loop& loop, Stream stream,
                                                           const WsLimits& limits,
                                                           std::unique_ptr<WsHandler> handler,
                                                           Watch watch) {
  auto session = std::make_shared<WsSession>(loop, std::move(stream), limits, std::move(handler),
                                             std::move(watch));
  session->target_ = std::make_shared<Target>(loop, session);
  return session;
}

template <class Stream>
WsSession<Stream>::WsSession(runtime::Loop& loop, Stream stream, const WsLimits& limits,
                             std::unique_ptr<WsHandler> handler, Watch watch)
    : loop_(loop),
      limits_(limits),
      ws_(std::move(stream)),
      handler_(std::move(handler)),
      watch_(std::move(watch)),
      timer_(loop) {
  CALL_ASSERT(handler_ != nullptr);
  ws_.read_message_max(limits_.max_message_bytes);
  ws_.auto_fragment(false);
  ws_.control_callback([this](websocket::frame_type kind, beast::string_view) {
    if (kind == websocket::frame_type::close) on_peer_close();
  });
}

template <class Stream>
WsHandle WsSession<Stream>::handle() {
  return WsHandle(target_);
}

template <class Stream>
void WsSession<Stream>::set_timeouts(std::chrono::milliseconds handshake) {
  beast::get_lowest_layer(ws_).expires_never();  // Beast's WebSocket layer has timers of its own
  ws_.set_option(websocket::stream_base::timeout{handshake, limits_.idle_timeout, true});
}

template <class Stream>
void WsSession<Stream>::accept(UpgradeRequest request, std::string subprotocol) {
  set_timeouts(limits_.handshake_timeout);
  if (!subprotocol.empty()) {
    ws_.set_option(websocket::stream_base::decorator(
        [protocol = std::move(subprotocol)](websocket::response_type& response) {
          response.set(http::field::sec_websocket_protocol, protocol);
        }));
  }
  auto shared = std::make_shared<UpgradeRequest>(std::move(request));
  ws_.async_accept(*shared, [self = this->shared_from_this(), shared](const error_code& ec) {
    if (!self->connecting()) return;
    if (ec) return self->fail("the upgrade failed: " + ec.message());
    self->opened();
  });
}

template <class Stream>
void WsSession<Stream>::start_connecting() {
  timer_.after(limits_.handshake_timeout, [this] { fail("no answer in time"); });
}

template <class Stream>
void WsSession<Stream>::handshake(const std::string& host, const std::string& target,
                                  Headers headers) {
  set_timeouts(limits_.handshake_timeout);
  ws_.set_option(websocket::stream_base::decorator(
      [fields = std::move(headers)](websocket::request_type& request) {
        for (const auto& [name, value] : fields) request.insert(name, value);
      }));
  ws_.async_handshake(answer_, host, target,
                      [self = this->shared_from_this()](const error_code& ec) {
                        if (!self->connecting()) return;
                        if (!ec) return self->opened();
                        const bool answered = ec == websocket::error::upgrade_declined;
                        const auto status = answered ? self->answer_.result_int() : 0;
                        self->fail("the upgrade failed: " + ec.message(), static_cast<int>(status));
                      });
}

template <class Stream>
void WsSession<Stream>::fail(std::string why, int http_status) {
  if (!connecting()) return;
  state_ = State::ended;
  WsClose close;
  close.reason = std::move(why);
  close.http_status = http_status;
  finish(close);
  gone();
}

template <class Stream>
void WsSession<Stream>::opened() {
  state_ = State::open;
  timer_.cancel();
  set_timeouts(limits_.close_timeout);  // from now on it is the closing handshake's
  handler_->on_open(*this);
  read();
}

template <class Stream>
void WsSession<Stream>::read() {
  if (state_ != State::open) return;  // while closing, Beast's close operation reads
  ws_.async_read(in_, [self = this->shared_from_this()](const error_code& ec, std::size_t) {
    self->on_read(ec);
  });
}

template <class Stream>
void WsSession<Stream>::on_read(const error_code& ec) {
  if (ec) return on_broken(ec);
  if (state_ != State::open) return;
  const auto data = in_.cdata();
  const std::string_view message(static_cast<const char*>(data.data()), data.size());
  if (ws_.got_text()) {
    handler_->on_text(message);
  } else {
    handler_->on_binary(message);
  }
  in_.consume(in_.size());
  read();
}

template <class Stream>
Send WsSession<Stream>::send(std::string_view message, bool text) {
  CALL_ASSERT(loop_.on_this_thread());
  if (state_ != State::open) return Send::closed;
  if (message.size() > limits_.max_queued_bytes - queued_bytes_) return Send::full;
  std::string bytes;
  if (!spare_.empty()) {
    bytes = std::move(spare_.back());
    spare_.pop_back();
  }
  bytes.assign(message);
  queued_bytes_ += message.size();
  out_.push_back({std::move(bytes), text});
  if (!writing_) write();
  return Send::ok;
}

template <class Stream>
void WsSession<Stream>::write() {
  writing_ = true;
  ws_.text(out_.front().text);
  ws_.async_write(asio::buffer(out_.front().bytes),
                  [self = this->shared_from_this()](const error_code& ec, std::size_t) {
                    self->on_written(ec);
                  });
}

template <class Stream>
void WsSession<Stream>::on_written(const error_code& ec) {
  writing_ = false;
  auto bytes = std::move(out_.front().bytes);
  out_.pop_front();
  queued_bytes_ -= bytes.size();
  if (ec) {
    if (state_ != State::ended) on_broken(ec);  // else the read operation answers the close
    return;
  }
  if (spare_.size() < kSpareBuffers && bytes.capacity() <= kSpareBytes) {
    spare_.push_back(std::move(bytes));
  }
  if (state_ == State::ended) return;
  if (!out_.empty()) {
    write();
  } else if (state_ == State::local_closing) {
    send_close();
  }
}

template <class Stream>
void WsSession<Stream>::close(std::uint16_t code, std::string_view reason) {
  CALL_ASSERT(loop_.on_this_thread());
  CALL_ASSERT(is_sendable(code));
  if (state_ != State::open && state_ != State::connecting) return;
  const bool was_open = state_ == State::open;
  state_ = State::local_closing;
  const auto text = truncate_utf8(reason, kMaxReasonBytes);
  close_reason_.code = code;
  close_reason_.reason.assign(text.data(), text.size());
  WsClose close{WsClose::By::local, code, std::string(text), 0};
  loop_.post([self = this->shared_from_this(), close] { self->finish(close); });
  if (!was_open) return gone();
  timer_.after(limits_.close_timeout, [this] { gone(); });
  if (!writing_) send_close();
}

template <class Stream>
void WsSession<Stream>::send_close() {
  ws_.async_close(close_reason_,
                  [self = this->shared_from_this()](const error_code&) { self->gone(); });
}

// The peer's close frame has been read; Beast answers it and closes after this.
template <class Stream>
void WsSession<Stream>::on_peer_close() {
  if (state_ != State::open) return;
  state_ = State::ended;
  const auto& why = ws_.reason();
  const bool has_code = why.code != websocket::close_code::none;
  finish({WsClose::By::peer, static_cast<std::uint16_t>(has_code ? why.code : 1005),
          std::string(why.reason.data(), why.reason.size()), 0});
}

// An operation failed: the connection is lost, or Beast has sent a close frame and said all it had
// to say.
template <class Stream>
void WsSession<Stream>::on_broken(const error_code& ec) {
  const bool parted = ec == websocket::error::closed || ec == websocket::error::message_too_big ||
                      ec == websocket::condition::protocol_violation;
  if (state_ == State::open) {
    state_ = State::ended;
    finish(why_broken(ec, limits_));
  }
  if (parted && state_ == State::ended && !gone_) {
    linger();
  } else {
    gone();
  }
}

// A socket that is closed with unread bytes resets the connection, and the peer might never read
// our close frame.
template <class Stream>
void WsSession<Stream>::linger() {
  timer_.after(limits_.close_timeout, [this] { gone(); });
  discard();
}

template <class Stream>
void WsSession<Stream>::discard() {
  in_.clear();
  beast::get_lowest_layer(ws_).async_read_some(
      in_.prepare(kDiscardBytes),
      [self = this->shared_from_this()](const error_code& ec, std::size_t) {
        if (ec) return self->gone();
        self->discard();
      });
}

template <class Stream>
void WsSession<Stream>::finish(const WsClose& close) {
  const auto handler = std::exchange(handler_, nullptr);
  if (!handler) return;
  target_->finished = true;
  handler->on_close(close);
  if (const auto finished = std::exchange(watch_.finished, nullptr)) finished();
}

template <class Stream>
void WsSession<Stream>::gone() {
  if (std::exchange(gone_, true)) return;
  timer_.cancel();
  beast::get_lowest_layer(ws_).close();
  if (const auto told = std::exchange(watch_.gone, nullptr)) told();
}

template class WsSession<WsTcpStream>;
template class WsSession<WsTlsStream>;

}  // namespace call::net
