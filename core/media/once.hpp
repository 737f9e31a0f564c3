// Things that are good once, such as a stream's token: remembered until they have expired by
// themselves.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "core/base/deadline.hpp"

namespace call::media {

/// Thread-safe; never blocks for longer than a look into a map.
class Once {
 public:
  /// `keep`: at least as long as a thing can be valid. At most `max` are remembered; when there are
  /// more, nothing new is taken, because forgetting one would let it in again.
  Once(std::chrono::seconds keep, std::size_t max) : keep_(keep), max_(max) {}

  enum class Take { ok, used, full };
  Take take(const std::string& thing, MonoClock::time_point now);

 private:
  const std::chrono::seconds keep_;
  const std::size_t max_;
  std::mutex mutex_;
  std::set<std::string> used_;
  std::multimap<MonoClock::time_point, std::string> by_time_;
};

}  // namespace call::media
