#include "core/local/process.hpp"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "core/base/affinity.hpp"
#include "core/base/scope_exit.hpp"
#include "core/base/strings.hpp"
#include "core/local/guard.hpp"

// Between fork and exec the child may only make system calls: this process has other threads, and
// one of them may have held the allocator's lock. Everything it needs is therefore laid out before
// the fork, and what went wrong comes back as two integers through a pipe that a successful exec
// closes.

namespace call::local {
namespace {

enum class Stage : int { guard, user, directory, parent, limits, exec };

struct Failure {
  Stage stage;
  int error;
};

/// argv or envp in the form that execve wants; borrows the strings.
std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  out.reserve(strings.size() + 1);
  for (auto& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> merged_environment(const ChildOptions& options) {
  std::vector<std::string> out;
  for (char** entry = environ; options.inherit_environment && *entry != nullptr; ++entry) {
    const std::string_view name = std::string_view(*entry).substr(0, std::strcspn(*entry, "="));
    const auto same = [&](const auto& pair) { return pair.first == name; };
    if (std::none_of(options.environment.begin(), options.environment.end(), same)) {
      out.emplace_back(*entry);
    }
  }
  for (const auto& [name, value] : options.environment) out.push_back(name + "=" + value);
  return out;
}

struct Prepared {
  std::vector<char*> argv;
  std::vector<char*> envp;
  const char* directory;
  const User* user;  // null: stay who we are
  int death_signal;
  int input_fd;  // negative: ours
  int output_fd;
  int error_fd;
  const std::vector<ChildOptions::Limit>* limits;
  int report_fd;
  pid_t parent;
  bool guarded;
};

void reset_signals() {
  for (int number = 1; number < SIGRTMIN; ++number) std::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

bool become(const User& user) {
  return setgroups(1, &user.gid) == 0 && setgid(user.gid) == 0 && setuid(user.uid) == 0;
}

[[noreturn]] void run_child(const Prepared& prepared) {
  const auto fail = [&](Stage stage) {
    const Failure failure{stage, errno};
    [[maybe_unused]] const auto written = write(prepared.report_fd, &failure, sizeof failure);
    _exit(127);
  };
  const pid_t parent = prepared.guarded ? fork_behind_guard(prepared.parent) : prepared.parent;
  if (parent < 0) fail(Stage::guard);
  reset_signals();
  setpgid(0, 0);
  if (prepared.input_fd >= 0) dup2(prepared.input_fd, STDIN_FILENO);
  dup2(prepared.output_fd, STDOUT_FILENO);
  dup2(prepared.error_fd, STDERR_FILENO);
  if (prepared.user != nullptr && !become(*prepared.user)) fail(Stage::user);
  if (chdir(prepared.directory) != 0) fail(Stage::directory);
  // After the change of user, which clears it; then look whether the parent died in between.
  prctl(PR_SET_PDEATHSIG, prepared.death_signal);
  if (getppid() != parent) fail(Stage::parent);
  close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const auto& limit : *prepared.limits) {
    const rlimit value{limit.soft, limit.hard};
    if (setrlimit(static_cast<__rlimit_resource_t>(limit.resource), &value) != 0)
      fail(Stage::limits);
  }
  execve(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  fail(Stage::exec);
  _exit(127);
}

Error describe(const Failure& failure, const ChildOptions& options) {
  const std::string reason = std::strerror(failure.error);
  const std::string who = options.user ? "user " + options.user->name : std::string("this user");
  const bool denied = failure.error == EACCES || failure.error == EPERM;
  const Errc code = denied ? Errc::permission : Errc::io;
  switch (failure.stage) {
    case Stage::guard:
      return {code, "cannot guard " + options.argv.front() + ": " + reason};
    case Stage::user:
      return {code, "cannot become " + who + ": " + reason};
    case Stage::directory:
      return {code, who + " cannot enter " + options.directory.string() + ": " + reason};
    case Stage::parent:
      return {Errc::cancelled, "the starting process ended"};
    case Stage::limits:
      return {code, "cannot limit " + options.argv.front() + ": " + reason};
    case Stage::exec:
      return {failure.error == ENOENT ? Errc::not_found : code,
              "cannot run " + options.argv.front() + ": " + reason};
  }
  return {Errc::internal, reason};
}

Result<pid_t> spawn(const ChildOptions& options, int output_fd) {
  std::array<int, 2> report{};
  if (pipe2(report.data(), O_CLOEXEC) != 0) {
    return Error{Errc::io, std::string("cannot make a pipe: ") + std::strerror(errno)};
  }
  ScopeExit close_read([&] { close(report[0]); });
  auto argv = options.argv;
  auto environment = merged_environment(options);
  const std::string directory = options.directory.string();
  const Prepared prepared{pointers(argv),
                          pointers(environment),
                          directory.c_str(),
                          options.user ? &*options.user : nullptr,
                          options.guarded ? SIGKILL : options.death_signal,
                          options.input_fd,
                          options.output_fd >= 0 ? options.output_fd : output_fd,
                          options.error_fd >= 0 ? options.error_fd : output_fd,
                          &options.limits,
                          report[1],
                          getpid(),
                          options.guarded};
  const pid_t pid = fork();
  if (pid == 0) run_child(prepared);
  const int fork_error = errno;
  close(report[1]);
  if (pid < 0) return Error{Errc::io, std::string("cannot fork: ") + std::strerror(fork_error)};

  Failure failure{};
  ssize_t got = 0;
  do {
    got = read(report[0], &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return pid;  // closed by exec
  waitpid(pid, nullptr, 0);
  return describe(failure, options);
}

/// Waits until the process is gone, for its parent or anyone else; false when the deadline passed
/// first.
bool wait_gone(pid_t pid, Deadline deadline) {
  assert_may_block("wait_gone");
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return errno == ESRCH;
  ScopeExit close_fd([&] { close(fd); });
  pollfd entry{fd, POLLIN, 0};
  while (true) {
    const int ready = poll(&entry, 1, static_cast<int>(deadline.left().count()));
    if (ready > 0) return true;
    if (ready == 0 && deadline.passed()) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

std::string last_lines(int fd) {
  constexpr off_t kTail = 2000;
  std::string text(static_cast<std::size_t>(kTail), '\0');
  const off_t size = lseek(fd, 0, SEEK_END);
  const ssize_t got = pread(fd, text.data(), text.size(), std::max<off_t>(0, size - kTail));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return to_valid_utf8(trim(text));
}

/// The signal that has the effect of `number` on a child: its guard takes SIGKILL under another name.
int signal_for(bool guarded, int number) {
  return guarded && number == SIGKILL ? kGuardKills : number;
}

}  // namespace

Result<Child> Child::start(const ChildOptions& options) {
  CALL_ASSERT(!options.argv.empty());
  const auto path = options.output.empty() ? std::filesystem::path("/dev/null") : options.output;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) {
    return Error{Errc::io, "cannot write " + path.string() + ": " + std::strerror(errno)};
  }
  ScopeExit close_fd([&] { close(fd); });
  CALL_TRY(const pid_t pid, spawn(options, fd));
  return Child(pid, options.guarded);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      guarded_(other.guarded_),
      exit_code_(other.exit_code_),
      signal_(other.signal_) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    if (running()) stop(SIGKILL, Deadline::never());
    pid_ = std::exchange(other.pid_, -1);
    guarded_ = other.guarded_;
    exit_code_ = other.exit_code_;
    signal_ = other.signal_;
  }
  return *this;
}

Child::~Child() {
  if (running()) stop(SIGKILL, Deadline::never());
}

void Child::reap(int options) {
  if (pid_ < 0 || exit_code_) return;
  int status = 0;
  pid_t got = 0;
  do {
    got = waitpid(pid_, &status, options);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return;
  if (got < 0) status = 0xFF00;  // somebody else reaped it: the code is lost
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (WIFSIGNALED(status)) signal_ = WTERMSIG(status);
}

bool Child::running() {
  reap(WNOHANG);
  return pid_ > 0 && !exit_code_;
}

Result<int> Child::wait(Deadline deadline) {
  assert_may_block("Child::wait");
  CALL_ASSERT(pid_ > 0);
  if (running() && !wait_gone(pid_, deadline)) {
    return Error{Errc::timeout, "process " + std::to_string(pid_) + " still runs"};
  }
  reap(0);
  return *exit_code_;
}

void Child::signal_group(int number) {
  if (pid_ <= 0 || exit_code_) return;
  kill(guarded_ ? pid_ : -pid_, signal_for(guarded_, number));
}

Result<int> Child::exit_fd() const {
  CALL_ASSERT(pid_ > 0);
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (fd < 0) return Error{Errc::io, std::string("pidfd_open: ") + std::strerror(errno)};
  return fd;
}

bool Child::stop(int signal, Deadline deadline) {
  if (!running()) return true;
  kill(pid_, signal_for(guarded_, signal));
  if (wait(deadline).ok()) return true;
  kill(pid_, signal_for(guarded_, SIGKILL));
  reap(0);
  return false;
}

Status run(ChildOptions options, Deadline deadline) {
  assert_may_block("local::run");
  const int fd = memfd_create("output", MFD_CLOEXEC);
  if (fd < 0) return Error{Errc::io, std::string("memfd_create: ") + std::strerror(errno)};
  ScopeExit close_fd([&] { close(fd); });
  CALL_TRY(const pid_t pid, spawn(options, fd));
  const bool gone = wait_gone(pid, deadline);
  if (!gone) kill(pid, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  const std::string name = std::filesystem::path(options.argv.front()).filename().string();
  if (!gone) return Error{Errc::timeout, name + " did not finish in time"};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return Error{Errc::io, name + " failed: " + last_lines(fd)};
}

bool end_process(pid_t pid, int signal, Deadline patience) {
  if (wait_gone(pid, patience)) return true;
  kill(pid, signal);
  if (wait_gone(pid, Deadline::after(std::chrono::seconds(5)))) return true;
  kill(pid, SIGKILL);
  return wait_gone(pid, Deadline::after(std::chrono::seconds(5)));
}

}  // namespace call::local
