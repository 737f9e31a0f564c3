// A listening socket and its accept loop, for both servers. Asio, no Beast. Private to net.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/base/result.hpp"
#include "core/log/log.hpp"
#include "core/net/http.hpp"
#include "core/net/url.hpp"
#include "core/runtime/timer.hpp"

namespace call::runtime {
class Loop;
}

namespace call::net {

/// Sockets carry the executor of their io_context as it is, not type-erased: one indirection less
/// an operation.
using TcpSocket =
    boost::asio::ip::tcp::socket::rebind_executor<boost::asio::io_context::executor_type>::other;
using TcpAcceptor =
    boost::asio::ip::tcp::acceptor::rebind_executor<boost::asio::io_context::executor_type>::other;

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  /// Binds and listens; may look a name up, so it blocks. The errors say what to do.
  static Result<std::shared_ptr<Listener>> open(runtime::Loop& loop, const HostPort& address);
  Listener(runtime::Loop& loop, TcpAcceptor acceptor);

  std::uint16_t port() const { return port_; }

  /// Chooses the loop that the next connection will belong to.
  using Pick = std::function<runtime::Loop&()>;
  /// Takes the new connection; runs on the chosen loop.
  using Take = std::function<void(runtime::Loop&, TcpSocket)>;
  /// Both members on the listener's loop only.
  void start(Pick pick, Take take);
  void close();

 private:
  void accept();

  runtime::Loop& loop_;
  TcpAcceptor acceptor_;
  runtime::Timer retry_;
  log::Throttle throttle_{std::chrono::seconds(10)};
  const std::uint16_t port_;
  Pick pick_;
  Take take_;
};

/// The other end of a connected socket; an empty address when it is gone already.
Peer peer_of(const TcpSocket& socket);

/// Answers a connection that there is no room for, without waiting: a 503 if the kernel takes it at
/// once.
void refuse(TcpSocket socket);

}  // namespace call::net
