#include "core/provider/breaker.hpp"

namespace call::provider {

bool Breaker::admit(Time now) {
  std::lock_guard lock(mutex_);
  if (in_a_row_ < options_.failures) return true;
  if (now >= closed_until_) {
    // This one tries; the others wait for what comes of it. If nothing does, the next one tries.
    closed_until_ = now + options_.pause;
    return true;
  }
  if (refusals_ != nullptr) refusals_->add();
  return false;
}

void Breaker::succeeded() {
  std::lock_guard lock(mutex_);
  in_a_row_ = 0;
}

void Breaker::failed(Time now) {
  std::lock_guard lock(mutex_);
  if (failures_ != nullptr) failures_->add();
  if (++in_a_row_ >= options_.failures) closed_until_ = now + options_.pause;
}

}  // namespace call::provider
