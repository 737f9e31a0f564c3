#include "daemon/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/scope_exit.hpp"
#include "tests/support/scratch_dir.hpp"

namespace call::daemon {
namespace {

TEST_CASE("daemon.notify: the service manager gets the message at its socket") {
  const support::ScratchDir dir;
  const std::string path = (dir.path() / "notify").string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
  const ScopeExit close_fd([&] {
    ::close(fd);
    ::unsetenv("NOTIFY_SOCKET");
  });
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  REQUIRE(::bind(fd, generic, sizeof address) == 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  notify("READY=1\nSTATUS=good");
  char buffer[256];
  const auto got = ::recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  REQUIRE(got > 0);
  CHECK(std::string(buffer, static_cast<std::size_t>(got)) == "READY=1\nSTATUS=good");
}

TEST_CASE("daemon.notify: without a service manager, or with a dead one, nothing happens") {
  ::unsetenv("NOTIFY_SOCKET");
  notify("READY=1");
  ::setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
  notify("READY=1");
  ::unsetenv("NOTIFY_SOCKET");
}

TEST_CASE("daemon.notify: the watchdog is fed twice as often as it asks, if it asks us") {
  const ScopeExit unset([] {
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
  });
  CHECK_FALSE(watchdog_interval());
  ::setenv("WATCHDOG_USEC", "10000000", 1);
  CHECK(watchdog_interval() == std::chrono::seconds(5));
  ::setenv("WATCHDOG_PID", "1", 1);
  CHECK_FALSE(watchdog_interval());
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  CHECK(watchdog_interval() == std::chrono::seconds(5));
  ::setenv("WATCHDOG_USEC", "soon", 1);
  CHECK_FALSE(watchdog_interval());
}

}  // namespace
}  // namespace call::daemon
