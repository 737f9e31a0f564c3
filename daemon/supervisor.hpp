// The roles of `calld up` as child processes: started, watched, started again when they die, ended
// in order. Main thread only (a child lives as long as the thread that started it).
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/config/config.hpp"
#include "core/local/process.hpp"
#include "core/log/log.hpp"

namespace call::daemon {

/// One role to run.
struct RoleSpec {
  std::string name;
  config::Listen listen;               ///< where /readyz is asked
  std::chrono::milliseconds patience;  ///< from SIGTERM to SIGKILL
};

struct RoleState {
  std::string name;
  std::string address;
  bool running = false;
  bool ready = false;
  pid_t pid = 0;
  int restarts = 0;
};

class Supervisor {
 public:
  /// `program` is calld itself; each role appends to <log_dir>/ROLE.log.
  Supervisor(std::filesystem::path program, std::filesystem::path config_file,
             std::filesystem::path log_dir);

  /// Starts the role. Roles are ended in the order in which they are to stop, see stop().
  Status start(const RoleSpec& spec);
  /// Starts what died again, after 1 s, then 2, 4 ... 30 s. Quick.
  void tick();
  /// Asks each role whether it is ready; up to a second each.
  void ask_readiness();
  /// A role that has died since its start: its name and the last line of its log.
  std::optional<std::string> first_death();
  /// Ends one role and forgets it.
  void stop(const std::string& name);
  void signal_all(int signal);
  std::vector<RoleState> states();

 private:
  struct Role {
    RoleSpec spec;
    std::optional<local::Child> child;
    MonoClock::time_point started_at{};
    MonoClock::time_point restart_at{};
    std::chrono::milliseconds backoff{0};
    int restarts = 0;
    bool ready = false;
  };
  Status launch(Role& role);
  void bury(Role& role);
  std::string last_words(const Role& role) const;

  const std::filesystem::path program_;
  const std::filesystem::path config_file_;
  const std::filesystem::path log_dir_;
  const log::Logger log_{"daemon"};
  std::vector<Role> roles_;
};

}  // namespace call::daemon
