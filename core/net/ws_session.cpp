#include "core/net/ws_session.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/write.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <charconv>
#include <utility>

#include "core/base/assert.hpp"
#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/net/ws_upgrade.hpp"
#include "core/runtime/loop.hpp"

namespace call::net {
namespace {

// More than a loop usually finds: a read that fills its buffer costs a second one.
constexpr std::size_t kReadBytes = 4096;
constexpr std::size_t kMaxReadBytes = 64U << 10;
constexpr std::size_t kKeepBytes = 16U << 10;  // of the send buffers, when they are empty
constexpr std::size_t kMaxAnswerBytes = 16U << 10;

void empty(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kKeepBytes) buffer.shrink_to_fit();
}

WsClose close_of(WsClose::By by, std::uint16_t code, std::string_view reason) {
  WsClose close;
  close.by = by;
  close.code = code;
  close.reason = reason;
  return close;
}

}  // namespace

MaskKeys::MaskKeys() : state_(0) {
  const std::string seed = random_hex(8);
  std::from_chars(seed.data(), seed.data() + seed.size(), state_, 16);
}

std::array<unsigned char, 4> MaskKeys::next() {  // SplitMix64
  state_ += 0x9E3779B97F4A7C15U;
  std::uint64_t z = state_;
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
  std::array<unsigned char, 4> key{};
  for (unsigned i = 0; i < key.size(); ++i) key[i] = static_cast<unsigned char>(z >> 8U * i);
  return key;
}

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

// The server's answer to our upgrade, while it is being read.
template <class Stream>
struct WsSession<Stream>::Answer {
  std::string request;
  std::string expected_accept;
  beast::flat_buffer buffer{kMaxAnswerBytes};
  http::response_parser<http::empty_body> parser;
};

template <class Stream>
std::shared_ptr<WsSession<Stream>> WsSession<Stream>::make(runtime::Loop& loop, Stream stream,
                                                           WsRole role, const WsLimits& limits,
                                                           std::unique_ptr<WsHandler> handler,
                                                           Watch watch) {
  auto session = std::make_shared<WsSession>(loop, std::move(stream), role, limits,
                                             std::move(handler), std::move(watch));
  session->target_ = std::make_shared<Target>(loop, session);
  return session;
}

template <class Stream>
WsSession<Stream>::WsSession(runtime::Loop& loop, Stream stream, WsRole role,
                             const WsLimits& limits, std::unique_ptr<WsHandler> handler,
                             Watch watch)
    : loop_(loop),
      limits_(limits),
      role_(role),
      stream_(std::move(stream)),
      handler_(std::move(handler)),
      watch_(std::move(watch)),
      timer_(loop),
      reader_(role, limits.max_message_bytes) {
  CALL_ASSERT(handler_ != nullptr);
  if (role == WsRole::client) masks_.emplace();
}

template <class Stream>
WsHandle WsSession<Stream>::handle() {
  return WsHandle(target_);
}

// ---- opening

template <class Stream>
void WsSession<Stream>::accept(std::string_view answer_head) {
  out_ = answer_head;
  opened({});
}

template <class Stream>
void WsSession<Stream>::start_connecting() {
  timer_.after(limits_.handshake_timeout, [this] { fail("no answer in time"); });
}

template <class Stream>
void WsSession<Stream>::handshake(std::string request_head, std::string expected_accept) {
  auto answer = std::make_shared<Answer>();
  answer->request = std::move(request_head);
  answer->expected_accept = std::move(expected_accept);
  answer->parser.header_limit(kMaxAnswerBytes);
  asio::async_write(stream_, asio::buffer(answer->request),
                    [self = this->shared_from_this(), answer](const error_code& ec, std::size_t) {
                      if (!self->connecting()) return;
                      if (ec) return self->fail("the upgrade failed: " + ec.message());
                      http::async_read_header(self->stream_, answer->buffer, answer->parser,
                                              [self, answer](const error_code& error, std::size_t) {
                                                if (self->connecting())
                                                  self->on_answer(answer, error);
                                              });
                    });
}

template <class Stream>
void WsSession<Stream>::on_answer(const std::shared_ptr<Answer>& answer, const error_code& ec) {
  if (ec) return fail("the upgrade failed: " + ec.message());
  const auto& head = answer->parser.get();
  const auto status = static_cast<int>(head.result_int());
  if (status != 101) {
    return fail("the upgrade was declined with status " + std::to_string(status), status);
  }
  if (!is_upgrade_answer(headers_of(head), answer->expected_accept)) {
    return fail("the answer to the upgrade is no WebSocket's");
  }
  const auto rest = answer->buffer.cdata();
  opened({static_cast<const char*>(rest.data()), rest.size()});
}

template <class Stream>
void WsSession<Stream>::fail(std::string why, int http_status) {
  if (!connecting()) return;
  state_ = State::parted;
  WsClose close;
  close.reason = std::move(why);
  close.http_status = http_status;
  finish(close);
  gone();
}

template <class Stream>
void WsSession<Stream>::opened(std::string_view early) {
  state_ = State::open;
  auto& tcp = beast::get_lowest_layer(stream_);
  tcp.expires_never();  // from here the times are ours
  error_code ignored;
  tcp.socket().non_blocking(true, ignored);  // flush() must not wait for a full socket
  last_in_ = last_out_ = MonoClock::now();
  timer_.every(std::min(limits_.idle_timeout, limits_.keep_alive) / 4, [this] { check_life(); });
  in_.resize(kReadBytes);
  handler_->on_open(*this);
  flush_soon();
  std::string first(early);
  if (!first.empty()) take(first);
  read();
}

// ---- reading

template <class Stream>
void WsSession<Stream>::read() {
  if (gone_) return;
  const auto done = [self = this->shared_from_this()](const error_code& ec, std::size_t bytes) {
    self->on_read(ec, bytes);
  };
  if constexpr (std::is_same_v<Stream, TcpStream>) {
    stream_.socket().async_read_some(asio::buffer(in_), done);  // without Beast's timer and pacing
  } else {
    stream_.async_read_some(asio::buffer(in_), done);
  }
}

template <class Stream>
void WsSession<Stream>::on_read(const error_code& ec, std::size_t bytes) {
  if (gone_) return;
  if (ec) return lost(ec.message());
  last_in_ = MonoClock::now();
  pinged_ = false;
  take(std::span(in_).first(bytes));
  if (bytes == in_.size() && in_.size() < kMaxReadBytes) in_.resize(in_.size() * 2);
  read();
}

/// Everything that one read brought. What it makes us say goes out at once and together.
template <class Stream>
void WsSession<Stream>::take(std::span<char> bytes) {
  taking_ = true;
  while (state_ == State::open || state_ == State::closing) {
    const auto input = reader_.next(bytes);
    if (!input) break;
    on_input(*input);
  }
  taking_ = false;
  if (reader_.fault()) on_fault();
  flush();
}

template <class Stream>
void WsSession<Stream>::on_input(const WsInput& input) {
  switch (input.kind) {
    case WsOpcode::text:
      if (state_ == State::open) handler_->on_text(input.payload);
      return;
    case WsOpcode::binary:
      if (state_ == State::open) handler_->on_binary(input.payload);
      return;
    case WsOpcode::ping:  // a peer that pings and does not read is not answered for ever
      if (state_ == State::open && queued_bytes() < limits_.max_queued_bytes) {
        append(WsOpcode::pong, input.payload);
      }
      return;
    case WsOpcode::close:
      if (state_ == State::open) {
        append(WsOpcode::close, close_payload(input.code, ""));
        const auto close = close_of(WsClose::By::peer, input.code, input.payload);
        part();
        return finish(close);
      }
      return part();
    case WsOpcode::pong:
    case WsOpcode::continuation:
      return;
  }
}

/// The peer has broken the rules: it is told, and that was all.
template <class Stream>
void WsSession<Stream>::on_fault() {
  if (state_ == State::parted) return;
  const auto& fault = *reader_.fault();
  if (state_ == State::open) append(WsOpcode::close, close_payload(fault.code, fault.what));
  part();
  finish(close_of(WsClose::By::failure, fault.code, fault.what));
}

template <class Stream>
void WsSession<Stream>::lost(std::string why) {
  const auto self = this->shared_from_this();
  state_ = State::parted;
  finish(close_of(WsClose::By::failure, 1006, why));
  gone();
}

/// Quiet for half of the time: a ping. Quiet for all of it: lost. Also a ping when we have said
/// nothing for long, because proxies end connections on which only one side talks.
template <class Stream>
void WsSession<Stream>::check_life() {
  const auto now = MonoClock::now();
  if (now - last_in_ >= limits_.idle_timeout) return lost("nothing came from the peer in time");
  const bool doubtful = !pinged_ && now - last_in_ >= limits_.idle_timeout / 2;
  if (!doubtful && now - last_out_ < limits_.keep_alive) return;
  if (queued_bytes() >= limits_.max_queued_bytes) return;
  pinged_ = true;
  append(WsOpcode::ping, "");
  flush();
}

// ---- sending

template <class Stream>
Send WsSession<Stream>::send(std::string_view message, WsOpcode opcode) {
  CALL_ASSERT(loop_.on_this_thread());
  if (state_ != State::open) return Send::closed;
  const std::size_t queued = queued_bytes();
  if (queued >= limits_.max_queued_bytes || message.size() > limits_.max_queued_bytes - queued) {
    return Send::full;
  }
  append(opcode, message);
  if (!taking_) flush_soon();
  return Send::ok;
}

template <class Stream>
void WsSession<Stream>::append(WsOpcode opcode, std::string_view payload) {
  if (!masks_) return append_frame(out_, opcode, payload, nullptr);
  const auto key = masks_->next();
  append_frame(out_, opcode, payload, &key);
}

/// At the end of this turn of the loop, with all that is said until then.
template <class Stream>
void WsSession<Stream>::flush_soon() {
  if (flush_posted_ || writing_) return;
  flush_posted_ = true;
  loop_.post([weak = this->weak_from_this()] {
    const auto self = weak.lock();
    if (!self) return;
    self->flush_posted_ = false;
    self->flush();
  });
}

template <class Stream>
void WsSession<Stream>::flush() {
  if (writing_ || gone_) return;
  if (out_.empty()) return;
  std::swap(out_, sending_);
  sent_ = 0;
  last_out_ = MonoClock::now();
  if constexpr (std::is_same_v<Stream, TcpStream>) {
    // Almost always the kernel takes it at once; then there is nothing to wait for.
    error_code ec;
    sent_ = stream_.socket().write_some(asio::buffer(sending_), ec);
    if (!ec && sent_ == sending_.size()) {
      empty(sending_);
      sent_ = 0;
      if (state_ == State::parted) part();
      return;
    }
    if (ec && ec != asio::error::would_block) sent_ = 0;  // the write below reports it
  }
  writing_ = true;
  asio::async_write(stream_, asio::buffer(sending_) + sent_,
                    [self = this->shared_from_this()](const error_code& ec, std::size_t bytes) {
                      self->on_written(ec, bytes);
                    });
}

template <class Stream>
void WsSession<Stream>::on_written(const error_code& ec, std::size_t) {
  writing_ = false;
  empty(sending_);
  sent_ = 0;
  if (gone_) return;
  if (ec) return lost(ec.message());
  if (state_ == State::parted) part();
  flush();
}

// ---- the end

template <class Stream>
void WsSession<Stream>::close(std::uint16_t code, std::string_view reason) {
  CALL_ASSERT(loop_.on_this_thread());
  if (state_ != State::open && state_ != State::connecting) return;
  const bool was_open = state_ == State::open;
  state_ = was_open ? State::closing : State::parted;
  const auto payload = close_payload(code, reason);
  const auto said = payload.empty() ? std::string() : payload.substr(2);
  loop_.post([self = this->shared_from_this(), close = close_of(WsClose::By::local, code, said)] {
    self->finish(close);
  });
  if (!was_open) return gone();
  append(WsOpcode::close, payload);
  timer_.after(limits_.close_timeout, [this] { gone(); });
  if (!taking_) flush_soon();
}

/// Nothing more will be said by either side. The socket is shut for sending once all is out, and
/// read to its end: closed with unread bytes it would be reset, and the peer might never read our
/// close frame.
template <class Stream>
void WsSession<Stream>::part() {
  if (state_ != State::parted) {
    state_ = State::parted;
    timer_.after(limits_.close_timeout, [this] { gone(); });
  }
  if (writing_ || !out_.empty()) return;
  error_code ignored;
  beast::get_lowest_layer(stream_).socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
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
  beast::get_lowest_layer(stream_).close();
  if (const auto told = std::exchange(watch_.gone, nullptr)) told();
}

template class WsSession<TcpStream>;
template class WsSession<TlsStream>;

}  // namespace call::net
