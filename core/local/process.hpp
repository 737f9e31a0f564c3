// Child processes: started without a shell, watched by pid, ended by signal. Linux only.
//
// A child gets its own process group (Ctrl-C on the terminal reaches calld alone, which then stops
// its children in order), default signal handling and the parent-death signal. Linux ties that
// signal to the *thread* that started the child: start children on a thread that lives as long as
// they should, usually the main thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"

namespace call::local {

/// A user of this system, as getpwnam(3) knows it.
struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

/// The user that servers run as: nullopt (ourselves) unless we are root; then the first of `names`
/// that exists.
Result<std::optional<User>> service_user(const std::vector<std::string>& names);

struct ChildOptions {
  std::vector<std::string> argv;                                 ///< argv[0] is an absolute path
  std::vector<std::pair<std::string, std::string>> environment;  ///< added to ours
  std::filesystem::path directory = "/";  ///< working directory, entered as `user`
  std::filesystem::path output;  ///< both streams go here (appended, 0600); empty: /dev/null
  std::optional<User> user;      ///< dropped to before exec; needs root
  int death_signal = 15;         ///< what the child gets when the starting thread ends
  /// A process of ours stands between: when the child ends, is killed (SIGKILL by signal_group() or
  /// stop()), or the starting thread ends, all that it started is killed, too, sessions of its own
  /// and orphans included. `death_signal` is SIGKILL then.
  bool guarded = false;

  bool inherit_environment = true;  ///< false: the child sees `environment` alone
  int input_fd = -1;                ///< its standard input, borrowed; -1: ours
  int output_fd = -1;               ///< its standard output instead of `output`, borrowed
  int error_fd = -1;                ///< its standard error instead of `output`, borrowed
  struct Limit {
    int resource;  ///< RLIMIT_CPU, ...
    std::uint64_t soft;
    std::uint64_t hard;
  };
  std::vector<Limit> limits{};
};

/// One child process. Not thread-safe. The destructor kills (SIGKILL) and reaps a child that still
/// runs.
class Child {
 public:
  /// Errc::not_found: no such program. Errc::permission: the user cannot reach the directory or the
  /// program.
  static Result<Child> start(const ChildOptions& options);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  pid_t pid() const { return pid_; }  ///< of its guard, if there is one
  /// The signal that ended it; nullopt while it runs and after an exit of its own.
  std::optional<int> signal() const { return signal_; }
  /// To the child and all that it started, unless they left its process group; SIGKILL of a guarded
  /// child finds those, too. Nothing happens once its exit was noticed by running(), wait() or
  /// stop(): the group's number may be another's then.
  void signal_group(int number);
  /// A descriptor that is readable once it has exited; the caller closes it. Errc::io.
  Result<int> exit_fd() const;
  bool running();
  /// Waits for the exit; the exit code, or 128 + signal. Errc::timeout leaves the child running.
  Result<int> wait(Deadline deadline);
  /// Sends `signal`, waits, and kills when the deadline passes; true if SIGKILL was not needed.
  bool stop(int signal, Deadline deadline);

 private:
  Child(pid_t pid, bool guarded) : pid_(pid), guarded_(guarded) {}
  void reap(int options);

  pid_t pid_ = -1;
  bool guarded_ = false;
  std::optional<int> exit_code_;
  std::optional<int> signal_;
};

/// Runs a program to its end. An exit code other than 0 is Errc::io with the last lines of its
/// output.
Status run(ChildOptions options, Deadline deadline);

/// For a process that is not our child: waits until `patience` ends, then `signal`, then SIGKILL;
/// true when it is gone.
bool end_process(pid_t pid, int signal, Deadline patience);

/// The program's absolute path from $PATH and the usual directories; Errc::not_found names the
/// package: "redis-server not found: apt-get install redis-server".
Result<std::filesystem::path> find_program(std::string_view name, std::string_view package);

}  // namespace call::local
