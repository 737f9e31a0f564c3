// A timer of a loop: one-shot or periodic. All members are called on the loop's thread, except
// construction, which is free, and destruction, which may also follow Loop::join(). Must not
// outlive its loop.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "core/base/deadline.hpp"

namespace call::runtime {

class Loop;

class Timer {
 public:
  explicit Timer(Loop& loop);
  ~Timer();  ///< cancels
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Each of these replaces what was set before. `task` runs on the loop's thread and may set,
  /// cancel or destroy the timer itself.
  void after(MonoClock::duration span, std::function<void()> task);
  void at(MonoClock::time_point point, std::function<void()> task);
  /// First run one period from now. Points are absolute (start + n * period), so lateness does not
  /// add up; points that were missed entirely are skipped, not made up for.
  void every(MonoClock::duration period, std::function<void()> task);
  /// After it returns the task does not run any more, also if it was due already.
  void cancel();
  bool armed() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace call::runtime
