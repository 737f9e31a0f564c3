#include "core/control/socket.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/affinity.hpp"
#include "core/control/control.hpp"

namespace call::control {
namespace {

Error errno_error(Errc code, std::string_view doing) {
  return {code, fmt::format("{}: {}", doing, std::strerror(errno))};
}

Result<sockaddr_un> address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    return Error{Errc::invalid_argument,
                 fmt::format("the socket path {} is longer than {} bytes: choose a shorter "
                             "service.runtime_dir",
                             text, sizeof address.sun_path - 1)};
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  return address;
}

Result<Fd> new_socket() {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return errno_error(Errc::io, "cannot make a socket");
  return fd;
}

// The socket API wants a sockaddr*; sockaddr_un begins like one.
const sockaddr* generic(const sockaddr_un& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

Status wait_for(const Fd& socket, short events, Deadline deadline) {
  assert_may_block("control wait_for");
  pollfd entry{socket.get(), events, 0};
  const int ready = ::poll(&entry, 1, static_cast<int>(deadline.left().count()));
  if (ready < 0 && errno != EINTR) return errno_error(Errc::io, "cannot wait");
  if (ready == 0 && deadline.passed()) return Error{Errc::timeout, "no answer in time"};
  return {};
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Fd> connect_to(const std::filesystem::path& path) {
  CALL_TRY(const auto address, address_of(path));
  CALL_TRY(auto fd, new_socket());
  if (::connect(fd.get(), generic(address), sizeof address) == 0) return fd;
  if (errno == EACCES) return errno_error(Errc::permission, path.string());
  return errno_error(Errc::unavailable, fmt::format("nobody answers at {}", path.string()));
}

Result<Fd> listen_at(const std::filesystem::path& path) {
  constexpr int kBacklog = 8;
  CALL_TRY(const auto address, address_of(path));
  CALL_TRY(auto fd, new_socket());
  if (::bind(fd.get(), generic(address), sizeof address) != 0) {
    const Errc code = errno == EADDRINUSE ? Errc::conflict : Errc::io;
    return errno_error(code, fmt::format("cannot make the socket {}", path.string()));
  }
  // Nobody can connect before listen(), so there is no moment at which others may speak.
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(fd.get(), kBacklog) != 0) {
    return errno_error(Errc::io, fmt::format("cannot listen at {}", path.string()));
  }
  return fd;
}

int peer_pid(const Fd& socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size);
  return credentials.pid;
}

Result<std::string> read_line(const Fd& socket, Deadline deadline) {
  assert_may_block("control::read_line");
  std::string line;
  for (;;) {
    CALL_CHECK(wait_for(socket, POLLIN, deadline));
    char buffer[4096];
    const auto got = ::recv(socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) return errno_error(Errc::closed, "the connection broke");
    if (got == 0) return Error{Errc::closed, "the other side closed without a whole line"};
    line.append(buffer, static_cast<std::size_t>(got));
    if (const auto end = line.find('\n'); end != std::string::npos) {
      line.resize(end);
      return line;
    }
    if (line.size() > kLineBytesMax) {
      return Error{Errc::limit, fmt::format("a line is longer than {} bytes", kLineBytesMax)};
    }
  }
}

Status write_line(const Fd& socket, std::string_view line, Deadline deadline) {
  assert_may_block("control::write_line");
  const std::string text = std::string(line) + '\n';
  std::string_view rest = text;
  while (!rest.empty()) {
    CALL_CHECK(wait_for(socket, POLLOUT, deadline));
    const auto sent = ::send(socket.get(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent < 0) return errno_error(Errc::closed, "the connection broke");
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  return {};
}

}  // namespace call::control
