#include "cmd/pager.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

namespace call::cmd {
namespace {

constexpr int kNotFoundByShell = 127;

std::string chosen_pager() {
  for (const auto* name : {"CALLCTL_PAGER", "PAGER"}) {
    if (const char* value = std::getenv(name)) return value;
  }
  return "less";
}

/// The pager's standard input is the pipe; its command line is the operator's own, so a shell reads it.
[[noreturn]] void become_pager(const std::string& pager, int from) {
  ::dup2(from, STDIN_FILENO);
  ::close(from);
  ::setenv("LESS", "FRX",
           0);  // ends by itself when it fits, shows colours, leaves the text on the screen
  ::execl("/bin/sh", "sh", "-c", pager.c_str(), static_cast<char*>(nullptr));
  ::_exit(kNotFoundByShell);
}

/// An operator who leaves the pager early has seen enough: a closed pipe is no failure.
void feed(int to, std::string_view text) {
  while (!text.empty()) {
    const auto written = ::write(to, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

Status print_paged(std::string_view text, const Screen& screen) {
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  const auto pager = chosen_pager();
  if (!screen.paged || lines < screen.rows || pager.empty() || pager == "cat") return print(text);
  int ends[2];
  if (::pipe(ends) != 0) return print(text);
  const auto child = ::fork();
  if (child < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return print(text);
  }
  if (child == 0) {
    ::close(ends[1]);
    become_pager(pager, ends[0]);
  }
  ::close(ends[0]);
  ::signal(SIGPIPE, SIG_IGN);
  feed(ends[1], text);
  ::close(ends[1]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  const bool missing = WIFEXITED(status) && WEXITSTATUS(status) == kNotFoundByShell;
  return missing ? print(text) : Status();
}

}  // namespace call::cmd
