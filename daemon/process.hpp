// What every role of calld has in common: configuration, log, signals, control socket, metrics, and
// the main thread's wait for the end.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/guarded.hpp"
#include "core/base/result.hpp"
#include "core/config/config.hpp"
#include "core/control/control.hpp"
#include "core/log/log.hpp"
#include "core/metrics/metrics.hpp"
#include "core/runtime/pulse.hpp"
#include "core/runtime/shutdown.hpp"

namespace call::daemon {

/// Built first in main(), used by the main thread; state() and shutdown() by any.
class Process {
 public:
  /// Loads the configuration, starts the log and the control socket. Errc::invalid_argument: every
  /// fault of the configuration.
  static Result<std::unique_ptr<Process>> start(std::string role, config::Sources sources);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  const config::Config& config() const { return loaded_.config; }
  const log::Logger& log() const { return log_; }
  metrics::Registry& metrics() { return metrics_; }
  runtime::Shutdown& shutdown() { return shutdown_; }
  /// What the watchdog watches: it is fed only while every pulse beats.
  runtime::Pulses& pulses() { return pulses_; }
  const std::string& role() const { return role_; }

  /// One line about what the process does now, for systemd and `status` of the control socket.
  void set_state(std::string_view state);
  /// Up and working: tells the service manager, too.
  void ready(std::string_view state);

  /// Waits; meanwhile SIGHUP reloads the log settings and the watchdog is fed. False: told to end.
  bool pause(std::chrono::milliseconds span);
  /// pause() until told to end.
  void run_until_told_to_end();
  /// At the end: repeats `step` (true: done) for `span` at most, while the service manager is kept informed and
  /// grants the time. False: not done.
  bool finish(std::chrono::milliseconds span, const std::function<bool(Deadline)>& step);

 private:
  Process(std::string role, config::Sources sources);
  Status load();
  void open_control();
  void reload();
  void feed_watchdog(std::chrono::milliseconds interval);

  const std::string role_;
  const config::Sources sources_;
  runtime::Pulses pulses_;
  runtime::Shutdown shutdown_;  // before everything that has threads
  config::Loaded loaded_;
  std::unique_ptr<log::Session> log_session_;
  log::Logger log_{"daemon"};
  metrics::Registry metrics_;
  Guarded<std::string> state_;
  std::unique_ptr<control::Server> control_;
  bool draining_ = false;
  bool starving_ = false;  ///< the watchdog is not fed
};

}  // namespace call::daemon
