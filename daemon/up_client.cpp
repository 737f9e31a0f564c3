// The other side of a running `calld up`: asks it through its control socket.
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/base/scope_exit.hpp"
#include "core/control/control.hpp"
#include "core/json/json.hpp"
#include "core/runtime/shutdown.hpp"
#include "daemon/state_dir.hpp"
#include "daemon/up.hpp"

namespace call::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

StateDir state_dir_at(const std::filesystem::path& path) {
  std::error_code ignored;
  return {std::filesystem::absolute(path, ignored).lexically_normal()};
}

Result<Json> ask(const StateDir& dir, const char* command) {
  return control::call(dir.control_socket(), {{"command", command}}, Deadline::after(seconds(5)));
}

// Nobody at the socket, as opposed to somebody who does not answer.
bool nobody(const Error& error) {
  return error.code == Errc::unavailable;
}

}  // namespace

Result<bool> print_up_status(const std::filesystem::path& state_dir, bool as_json) {
  const auto dir = state_dir_at(state_dir);
  auto status = ask(dir, "status");
  if (!status && !nobody(status.error())) return status.error();
  if (!status) status = Json{{"state", "not running"}, {"roles", Json::object()}};
  CALL_TRY(const auto state, json::get_string(*status, "state"));
  if (as_json) {
    fmt::print("{}\n", json::dump(*status, 2));
    return state == "ready";
  }
  fmt::print("{} in {}\n", state, dir.root.string());
  CALL_TRY(const auto roles, json::get_object(*status, "roles"));
  for (const auto& [name, role] : roles.items()) {
    CALL_TRY(const auto address, json::get_string(role, "address"));
    CALL_TRY(const bool ready, json::get_bool(role, "ready"));
    CALL_TRY(const auto pid, json::get_int(role, "pid"));
    CALL_TRY(const auto restarts, json::get_int(role, "restarts"));
    fmt::print("  {:<7} {:<22} {:<9} pid {}{}\n", name, address, ready ? "ready" : "not ready", pid,
               restarts > 0 ? fmt::format(", started again {} times", restarts) : "");
  }
  return state == "ready";
}

Status wait_until_up(const std::filesystem::path& state_dir, std::chrono::seconds patience) {
  constexpr milliseconds kLookAgain{200};
  const auto dir = state_dir_at(state_dir);
  const auto deadline = Deadline::after(patience);
  runtime::Shutdown interrupted;
  bool seen = false;
  for (;;) {
    const auto status = ask(dir, "status");
    if (status && json::get_string_or(*status, "state", "").value_or("") == "ready") return {};
    if (seen && !status && nobody(status.error())) {
      return Error{Errc::unavailable, "calld up has ended instead of becoming ready"};
    }
    seen = seen || status.ok();
    if (deadline.passed()) {
      return Error{Errc::timeout, fmt::format("calld up is not ready in {} after {} s",
                                              dir.root.string(), patience.count())};
    }
    if (interrupted.wait(Deadline::after(kLookAgain)) == runtime::Shutdown::Event::drain) {
      return Error{Errc::cancelled, "interrupted"};
    }
  }
}

Status stop_up(const std::filesystem::path& state_dir) {
  constexpr seconds kPatience{150};  // above what the roles and servers may take together
  const auto dir = state_dir_at(state_dir);
  const auto answer = ask(dir, "ping");
  if (!answer && nobody(answer.error())) {
    fmt::print("not running in {}\n", dir.root.string());
    return {};
  }
  if (!answer) return answer.error();
  CALL_TRY(const auto pid, json::get_int(*answer, "pid"));
  const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (fd < 0) return {};  // it has ended meanwhile
  const ScopeExit close_fd([fd] { ::close(fd); });
  if (::kill(static_cast<pid_t>(pid), SIGTERM) != 0) {
    return Error{Errc::permission, fmt::format("pid {} belongs to another user", pid)};
  }
  pollfd ended{fd, POLLIN, 0};
  const milliseconds patience = kPatience;
  if (::poll(&ended, 1, static_cast<int>(patience.count())) <= 0) {
    return Error{Errc::timeout,
                 fmt::format("pid {} is still stopping after {} s", pid, kPatience.count())};
  }
  fmt::print("stopped\n");
  return {};
}

}  // namespace call::daemon
