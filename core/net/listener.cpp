#include "core/net/listener.hpp"

#include <boost/asio/buffer.hpp>
#include <chrono>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/runtime/loop.hpp"

namespace call::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds kRetry{100};

Error listen_error(const HostPort& address, const error_code& ec) {
  const std::string where = to_string(address);
  if (ec == asio::error::address_in_use) {
    return {Errc::conflict, "the address " + where +
                                " is in use by another program; stop that one or listen elsewhere"};
  }
  if (ec == asio::error::access_denied) {
    return {Errc::permission, "not allowed to listen on " + where +
                                  "; take a port above 1023 or grant CAP_NET_BIND_SERVICE"};
  }
  if (ec == boost::system::errc::address_not_available) {
    return {Errc::invalid_argument,
            "cannot listen on " + where + ", which is not an address of this machine"};
  }
  return {Errc::io, "cannot listen on " + where + ": " + ec.message()};
}

Result<tcp::endpoint> resolve(asio::io_context& context, const HostPort& address) {
  error_code ec;
  if (const auto numeric = asio::ip::make_address(address.host, ec); !ec) {
    return tcp::endpoint(numeric, address.port);
  }
  tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(address.host, std::to_string(address.port), tcp::resolver::passive, ec);
  if (ec || found.empty()) {
    return Error{Errc::invalid_argument,
                 "cannot listen on " + to_string(address) + ": the host name is not known"};
  }
  return found.begin()->endpoint();
}

}  // namespace

Result<std::shared_ptr<Listener>> Listener::open(runtime::Loop& loop, const HostPort& address) {
  assert_may_block("Listener::open");
  CALL_TRY(const auto endpoint, resolve(loop.context(), address));
  TcpAcceptor acceptor(loop.context());
  error_code ec;
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
  if (ec) return listen_error(address, ec);
  return std::make_shared<Listener>(loop, std::move(acceptor));
}

Listener::Listener(runtime::Loop& loop, TcpAcceptor acceptor)
    : loop_(loop),
      acceptor_(std::move(acceptor)),
      retry_(loop),
      port_(acceptor_.local_endpoint().port()) {}

void Listener::start(Pick pick, Take take) {
  pick_ = std::move(pick);
  take_ = std::move(take);
  accept();
}

void Listener::close() {
  error_code ignored;
  acceptor_.close(ignored);
  retry_.cancel();
}

void Listener::accept() {
  auto& target = pick_();
  acceptor_.async_accept(target.context(), [self = shared_from_this(), &target](
                                               const error_code& ec, TcpSocket socket) {
    if (!self->acceptor_.is_open()) return;
    if (ec) {  // no descriptors left, or the peer gave up: neither is a reason to spin or to end
      if (self->throttle_.admit()) {
        log::Logger("http").warn("cannot accept a connection: {}", ec.message());
      }
      self->retry_.after(kRetry, [self] { self->accept(); });
      return;
    }
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    if (&target == &self->loop_) {
      self->take_(target, std::move(socket));
    } else {  // std::function wants copies, a socket has none
      auto shared = std::make_shared<TcpSocket>(std::move(socket));
      target.post([self, &target, shared] { self->take_(target, std::move(*shared)); });
    }
    self->accept();
  });
}

Peer peer_of(const TcpSocket& socket) {
  error_code ec;
  const auto endpoint = socket.remote_endpoint(ec);
  if (ec) return {};
  auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return {address.to_string(), endpoint.port()};
}

void refuse(TcpSocket socket) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
      "Connection: close\r\n\r\n";
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(kAnswer), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace call::net
