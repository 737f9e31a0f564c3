#include "core/media/once.hpp"

namespace call::media {

Once::Take Once::take(const std::string& thing, MonoClock::time_point now) {
  std::lock_guard lock(mutex_);
  while (!by_time_.empty() && by_time_.begin()->first + keep_ <= now) {
    used_.erase(by_time_.begin()->second);
    by_time_.erase(by_time_.begin());
  }
  if (used_.contains(thing)) return Take::used;
  if (used_.size() >= max_) return Take::full;
  used_.insert(thing);
  by_time_.emplace(now, thing);
  return Take::ok;
}

}  // namespace call::media
