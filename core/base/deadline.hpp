// A point on the monotonic clock after which a blocking function gives up. Every function that can block takes one.
#pragma once

#include <algorithm>
#include <chrono>

namespace call {

using MonoClock = std::chrono::steady_clock;

class Deadline {
 public:
  static Deadline after(std::chrono::milliseconds span) {
    return Deadline(MonoClock::now() + span);
  }
  static Deadline at(MonoClock::time_point point) { return Deadline(point); }
  static Deadline never() { return Deadline(MonoClock::time_point::max()); }

  bool passed() const { return MonoClock::now() >= point_; }
  bool is_never() const { return point_ == MonoClock::time_point::max(); }
  MonoClock::time_point point() const { return point_; }
  /// Time left, never negative, capped at one day so that it fits every API.
  std::chrono::milliseconds left() const {
    constexpr std::chrono::milliseconds kDay = std::chrono::hours(24);
    if (is_never()) return kDay;
    const auto span = std::chrono::ceil<std::chrono::milliseconds>(point_ - MonoClock::now());
    return std::clamp(span, std::chrono::milliseconds(0), kDay);
  }

 private:
  explicit Deadline(MonoClock::time_point point) : point_(point) {}
  MonoClock::time_point point_;
};

}  // namespace call
