// Gives every media stream its 20 ms steps. One timer for all; each stream keeps its own phase on
// an absolute time line, so steps neither drift nor bunch. When this process was held up, missed
// steps are made up for, and counted.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/runtime/timer.hpp"
#include "core/sim/model.hpp"

namespace call::sim {

/// What the clock drives.
class Paced {
 public:
  virtual ~Paced() = default;
  /// 20 ms of sound. `late`: the step comes more than a frame behind its time.
  virtual void step(bool late) = 0;
};

/// On the loop, except health().
class MediaClock {
 public:
  explicit MediaClock(runtime::Loop& loop) : timer_(loop) {}

  /// The first step comes 20 ms from now. Kept alive until remove().
  void add(std::shared_ptr<Paced> stream);
  void remove(const Paced& stream);
  const ClockHealth& health() const { return health_; }

 private:
  struct Entry {
    std::shared_ptr<Paced> stream;  ///< null: removed
    MonoClock::time_point due;
  };
  void tick();
  void run(std::size_t index, MonoClock::time_point now);

  runtime::Timer timer_;
  std::vector<Entry> entries_;
  ClockHealth health_;
};

}  // namespace call::sim
