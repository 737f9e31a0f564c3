#include "raw_socket.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "core/base/assert.hpp"

namespace call::net::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int listen_on_free_port(std::uint16_t& port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  CALL_ASSERT(bind(fd, generic, size) == 0 && listen(fd, 16) == 0);
  CALL_ASSERT(getsockname(fd, generic, &size) == 0);
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

RawSocket RawSocket::connect(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = loopback(port);
  CALL_ASSERT(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return RawSocket(fd);
}

RawSocket::RawSocket(RawSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RawSocket::~RawSocket() {
  if (fd_ >= 0) close(fd_);
}

void RawSocket::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string RawSocket::read_until(std::string_view text) const {
  const timeval limit{10, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string out;
  std::array<char, 4096> buffer{};
  while (text.empty() || out.find(text) == out.npos) {
    const auto n = recv(fd_, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    out.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return out;
}

void RawSocket::reset() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(std::exchange(fd_, -1));
}

RawServer::RawServer(std::function<void(RawSocket&)> serve, int count)
    : fd_(listen_on_free_port(port_)) {
  thread_ = std::thread([this, serve = std::move(serve), count] {
    for (int i = 0; i < count; ++i) {
      const int client = accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      RawSocket socket(client);
      serve(socket);
    }
  });
}

RawServer::~RawServer() {
  shutdown(fd_, SHUT_RDWR);  // wakes accept()
  thread_.join();
  close(fd_);
}

std::uint16_t closed_port() {
  std::uint16_t port = 0;
  close(listen_on_free_port(port));
  return port;
}

}  // namespace call::net::test
