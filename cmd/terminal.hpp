// A whole screen for a program that redraws it, and keys without Enter. The terminal is as it was
// before as soon as the object is gone. One at a time, on the main thread.
#pragma once

#include <termios.h>

#include <chrono>
#include <string>
#include <vector>

#include "cmd/top_view.hpp"

namespace call::cmd {

class FullScreen {
 public:
  FullScreen();
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  Size size() const;
  /// Only what is on the screen is replaced, so that nothing flickers.
  Status show(const std::vector<std::string>& lines);
  /// To the shell and back, as Ctrl-Z does it.
  void suspend();

 private:
  void enter();
  void leave();

  termios before_{};
  bool keys_ = false;  ///< standard input is a terminal
};

/// SIGINT, SIGTERM, SIGHUP and SIGTSTP end waits instead of the process, as long as one exists.
class CaughtSignals {
 public:
  CaughtSignals();
  ~CaughtSignals();
  CaughtSignals(const CaughtSignals&) = delete;
  CaughtSignals& operator=(const CaughtSignals&) = delete;
  /// The newest one since the last question; 0: none.
  static int take();
};

/// Waits for a key, a signal, or the time. The key's byte; 0: none; -1: standard input has ended.
int wait_key(std::chrono::milliseconds span, bool keys);

}  // namespace call::cmd
