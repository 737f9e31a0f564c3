// Whether the threads that matter still turn. Each loop has a Pulse and beats it once a round; whoever watches (the
// service manager's watchdog) asks for the one that has been silent longest. A process whose main thread answers
// while its loops hang is dead, and must not pass for alive.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/deadline.hpp"

namespace call::runtime {

class Pulse;

/// Thread-safe. Outlives its pulses.
class Pulses {
 public:
  struct Slowest {
    std::string name;
    MonoClock::duration silence{};
  };
  /// The pulse whose last beat is oldest; nullopt when there is none.
  std::optional<Slowest> slowest() const;

 private:
  friend class Pulse;
  mutable std::mutex mutex_;
  std::vector<const Pulse*> pulses_;
};

class Pulse {
 public:
  /// Listed in `board` as long as it lives, its first beat being now; without a board nobody looks.
  Pulse(Pulses* board, std::string name);
  ~Pulse();
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

  void beat() noexcept { last_.store(MonoClock::now(), std::memory_order_relaxed); }

 private:
  friend class Pulses;
  Pulses* const board_;
  const std::string name_;
  std::atomic<MonoClock::time_point> last_{MonoClock::now()};
};

}  // namespace call::runtime
