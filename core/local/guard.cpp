// Runs in a copy of a process that has other threads (see process.cpp): system calls only.
#include "core/local/guard.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

namespace call::local {
namespace {

constexpr int kPatienceSeconds = 5;  // for processes that the kernel does not let die
constexpr long kRoundNs = 20'000'000;

/// SIGKILL to each child of ours. The kernel's list may lack some while others come and go: the
/// caller asks until nobody is left.
void kill_children() {
  const int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  std::array<char, 4096> buffer;  // NOLINT: filled by read
  pid_t pid = 0;
  ssize_t got = 0;
  while ((got = read(fd, buffer.data(), buffer.size())) > 0) {
    for (ssize_t i = 0; i < got; ++i) {
      const char c = buffer[static_cast<std::size_t>(i)];
      if (c >= '0' && c <= '9') {
        pid = pid * 10 + (c - '0');
      } else if (pid > 0) {
        kill(pid, SIGKILL);
        pid = 0;
      }
    }
  }
  close(fd);
}

/// What a killed child leaves behind becomes our child and dies in the next round.
void kill_descendants(const sigset_t& all) {
  timespec begun{};
  clock_gettime(CLOCK_MONOTONIC, &begun);
  timespec now = begun;
  while (now.tv_sec - begun.tv_sec <= kPatienceSeconds) {
    kill_children();
    pid_t got = 0;
    do {
      got = waitpid(-1, nullptr, WNOHANG);
    } while (got > 0);
    if (got < 0 && errno == ECHILD) return;
    const timespec round{0, kRoundNs};
    sigtimedwait(&all, nullptr, &round);
    clock_gettime(CLOCK_MONOTONIC, &now);
  }
}

[[noreturn]] void end_like(int status, const sigset_t& all) {
  if (WIFSIGNALED(status)) {
    prctl(PR_SET_DUMPABLE, 0);  // the program's core is the one of interest
    std::signal(WTERMSIG(status), SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &all, nullptr);
    kill(getpid(), WTERMSIG(status));
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 127);
}

/// The status of the program, once it has one. Orphans are reaped as they come.
bool has_ended(pid_t program, int& status) {
  while (true) {
    const pid_t got = waitpid(-1, &status, WNOHANG);
    if (got == program) return true;
    if (got <= 0) return false;
  }
}

[[noreturn]] void stand_guard(pid_t program, const sigset_t& all) {
  int status = 0;
  while (!has_ended(program, status)) {
    const int number = sigwaitinfo(&all, nullptr);
    if (number == kGuardKills) {
      status = SIGKILL;  // as wait() shows it
      break;
    }
    if (number > 0 && number != SIGCHLD) kill(-program, number);
  }
  kill_descendants(all);
  end_like(status, all);
}

}  // namespace

pid_t fork_behind_guard(pid_t parent) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  std::signal(SIGCHLD, SIG_DFL);  // ignored, children would vanish without a status
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, kGuardKills);
  prctl(PR_SET_NAME, "calld-guard");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return -1;
  const pid_t guard = getpid();
  const pid_t program = getppid() == parent ? _Fork() : -1;
  if (program <= 0) return program == 0 ? guard : -1;
  setpgid(program, program);  // the program does so, too: whoever is first
  close_range(3, ~0U, 0);     // the pipes are the program's
  stand_guard(program, all);
}

}  // namespace call::local
