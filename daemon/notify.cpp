#include "daemon/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "core/base/scope_exit.hpp"
#include "core/base/strings.hpp"

namespace call::daemon {

void notify(std::string_view state) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  const std::size_t length = path == nullptr ? 0 : std::strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, length);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // Linux's abstract names
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  const ScopeExit close_fd([fd] { ::close(fd); });
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, generic, size);
}

std::optional<std::chrono::milliseconds> watchdog_interval() {
  const char* text = std::getenv("WATCHDOG_USEC");
  const char* pid = std::getenv("WATCHDOG_PID");
  if (text == nullptr) return std::nullopt;
  if (pid != nullptr && parse_number<pid_t>(pid) != ::getpid()) return std::nullopt;
  const auto microseconds = parse_number<std::int64_t>(text);
  if (!microseconds || *microseconds < 2000) return std::nullopt;
  return std::chrono::milliseconds(*microseconds / 2000);
}

}  // namespace call::daemon
