#include "core/provider/channel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/assert.hpp"
#include "core/provider/endpoint.hpp"

namespace call::provider {
namespace {

using std::chrono::milliseconds;

/// A little more or less than `span`, so that all calls of a server do not come back at once.
milliseconds scattered(milliseconds span) {
  const auto spread = span.count() / 4;
  if (spread == 0) return span;
  static thread_local std::uint64_t state = 0x9E3779B97F4A7C15U;
  state = state * 6364136223846793005U + 1442695040888963407U;
  const auto part =
      static_cast<std::int64_t>((state >> 33U) % static_cast<std::uint64_t>(2 * spread));
  return span - milliseconds(spread) + milliseconds(part);
}

}  // namespace

/// The handler of one connection; it may outlive the channel's interest in it.
class Channel::Link final : public net::WsHandler {
 public:
  Link(std::shared_ptr<Channel> channel, std::uint32_t round)
      : channel_(std::move(channel)), round_(round) {}

  void on_open(net::WsConnection& connection) override {
    if (current()) {
      channel_->opened(connection);
    } else {
      connection.close(1000, "");
    }
  }
  void on_text(std::string_view message) override {
    if (current()) channel_->owner_->on_text(message);
  }
  void on_binary(std::string_view message) override {
    if (current()) channel_->owner_->on_binary(message);
  }
  void on_close(const net::WsClose& close) override {
    if (!current()) return;
    const auto service = origin_of(channel_->options_.url);
    if (close.http_status != 0) {
      const auto error = error_of(close.http_status, "", service);
      return channel_->lost(error, error.code == Errc::unavailable ? End::failure : End::refused);
    }
    constexpr std::uint16_t kNormal = 1000;
    channel_->lost({Errc::closed, fmt::format("{} closed the connection: {}{}", service, close.code,
                                              close.reason.empty() ? "" : " " + close.reason)},
                   close.code == kNormal ? End::polite : End::failure);
  }

 private:
  bool current() const { return channel_->owner_ != nullptr && channel_->round_ == round_; }
  const std::shared_ptr<Channel> channel_;
  const std::uint32_t round_;
};

std::shared_ptr<Channel> Channel::make(Host& host, ChannelOptions options,
                                       std::shared_ptr<Breaker> breaker) {
  return std::make_shared<Channel>(host, std::move(options), std::move(breaker));
}

Channel::Channel(Host& host, ChannelOptions options, std::shared_ptr<Breaker> breaker)
    : host_(host),
      options_(std::move(options)),
      breaker_(std::move(breaker)),
      timer_(host.loop()),
      pause_(options_.first_pause) {}

void Channel::open(Owner& owner) {
  CALL_ASSERT(host_.loop().on_this_thread());
  owner_ = &owner;
  connect();
}

void Channel::connect() {
  ++round_;
  useful_ = false;
  if (!breaker_->admit()) {
    const Error error{Errc::unavailable, origin_of(options_.url) +
                                             " has failed several times in a row; not tried for a "
                                             "while"};
    hopeless_ = error;
    // Told later, so that nobody is called back from inside open().
    return timer_.after(milliseconds(0),
                        [self = shared_from_this(), error] { self->lost(error, End::held); });
  }
  hopeless_.reset();
  net::WsClientOptions client;
  client.limits.max_message_bytes = options_.max_message_bytes;
  client.limits.handshake_timeout = options_.connect_timeout;
  client.limits.close_timeout = milliseconds(1000);
  client.tls_client = host_.tls();
  handle_ = net::ws_connect(host_.loop(), options_.url, options_.headers,
                            std::make_unique<Link>(shared_from_this(), round_), client);
}

void Channel::opened(net::WsConnection& connection) {
  connection_ = &connection;
  up_since_ = MonoClock::now();
  owner_->on_up();
}

void Channel::useful() {
  if (!std::exchange(useful_, true)) breaker_->succeeded();
}

void Channel::lost(const Error& error, End end) {
  if (owner_ == nullptr) return;
  forget_connection();
  const bool at_fault = end == End::failure || end == End::refused;
  if (at_fault && !std::exchange(useful_, false)) breaker_->failed();
  if (end == End::refused) hopeless_ = error;
  const bool again = end != End::refused && options_.reconnect;
  if (again) {
    timer_.after(scattered(pause_), [self = shared_from_this()] {
      if (self->owner_ != nullptr) self->connect();
    });
    pause_ = std::min(pause_ * 2, options_.longest_pause);
  }
  owner_->on_down(error, again && end != End::held);
}

bool Channel::send_text(std::string_view message) {
  if (connection_ == nullptr) return false;
  const auto sent = connection_->send_text(message);
  if (sent == net::Send::full) drop({Errc::timeout, origin_of(options_.url) + " does not read"});
  return sent == net::Send::ok;
}

bool Channel::send_binary(std::string_view message) {
  if (connection_ == nullptr) return false;
  const auto sent = connection_->send_binary(message);
  if (sent == net::Send::full) drop({Errc::timeout, origin_of(options_.url) + " does not read"});
  return sent == net::Send::ok;
}

void Channel::forget_connection() {
  const bool was_up = std::exchange(connection_, nullptr) != nullptr;
  if (was_up && MonoClock::now() - up_since_ >= options_.proven_after)
    pause_ = options_.first_pause;
  ++round_;
}

void Channel::hang_up() {
  auto* present = connection_;
  forget_connection();
  if (present != nullptr) {
    present->close(1000, "");
  } else {
    // On its way: the attempt is given up.
    handle_.post([](net::WsConnection& connection) { connection.close(1000, ""); });
  }
}

void Channel::drop(const Error& why) {
  if (owner_ == nullptr) return;
  hang_up();
  useful_ = false;
  // Told later: the owner may be in the middle of something.
  timer_.after(milliseconds(0),
               [self = shared_from_this(), why] { self->lost(why, End::failure); });
}

void Channel::close() {
  owner_ = nullptr;
  timer_.cancel();
  hang_up();
}

}  // namespace call::provider
