// Signals as events of the main thread, so that no code of ours ever runs inside a signal handler.
#pragma once

#include <optional>

#include "core/base/deadline.hpp"

namespace call::runtime {

class Shutdown {
 public:
  enum class Event {
    drain,   ///< SIGTERM or SIGINT, or request(): finish what runs, take nothing new, then end
    reload,  ///< SIGHUP
  };

  /// Blocks SIGTERM, SIGINT and SIGHUP for this thread and all it starts later, and ignores
  /// SIGPIPE. Build it first in main(), before any thread exists; one per process.
  Shutdown();
  ~Shutdown();
  Shutdown(const Shutdown&) = delete;
  Shutdown& operator=(const Shutdown&) = delete;

  /// Waits for the next event; nullopt at the deadline. Blocks; on the main thread only. When it
  /// returns drain, SIGTERM and SIGINT have their default effect again: a second one ends the
  /// process at once, whatever main() is doing.
  std::optional<Event> wait(Deadline deadline);
  /// As though SIGTERM had come, e.g. because a needed part has failed. Thread-safe.
  void request();

 private:
  int signal_fd_;
  int request_fd_;
};

/// Undoes what Shutdown did to masks and dispositions, which exec(2) would hand on. Between fork
/// and exec in every child we start; async-signal-safe.
void restore_signals_in_child();

}  // namespace call::runtime
