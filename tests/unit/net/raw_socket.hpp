// A TCP peer that does exactly what a test tells it, also what no well-behaved one would. Blocking,
// with a time-out on every read so that a failing test ends.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

namespace call::net::test {

class RawSocket {
 public:
  explicit RawSocket(int fd) : fd_(fd) {}
  static RawSocket connect(std::uint16_t port);
  ~RawSocket();
  RawSocket(RawSocket&& other) noexcept;
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  void send(std::string_view bytes) const;  ///< errors are ignored: the peer may be gone on purpose
  /// What arrives until `text` is in it (with it), or until the end or ten seconds.
  std::string read_until(std::string_view text) const;
  std::string read_all() const { return read_until(""); }
  /// Closes so that the peer sees a reset.
  void reset();
  int fd() const { return fd_; }

 private:
  int fd_;
};

/// Listens on a free port and gives each connection in turn to `serve`, on one thread of its own,
/// `count` times.
class RawServer {
 public:
  RawServer(std::function<void(RawSocket&)> serve, int count = 1);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_ = 0;
  int fd_;  // after port_, which its initialiser sets
  std::thread thread_;
};

/// A port on which nobody listens.
std::uint16_t closed_port();

}  // namespace call::net::test
