#include "core/runtime/pulse.hpp"

#include <algorithm>
#include <utility>

namespace call::runtime {

std::optional<Pulses::Slowest> Pulses::slowest() const {
  std::lock_guard lock(mutex_);
  const auto last = [](const Pulse* pulse) { return pulse->last_.load(std::memory_order_relaxed); };
  const auto oldest = std::ranges::min_element(pulses_, {}, last);
  if (oldest == pulses_.end()) return std::nullopt;
  return Slowest{(*oldest)->name_, MonoClock::now() - last(*oldest)};
}

Pulse::Pulse(Pulses* board, std::string name) : board_(board), name_(std::move(name)) {
  if (board_ == nullptr) return;
  std::lock_guard lock(board_->mutex_);
  board_->pulses_.push_back(this);
}

Pulse::~Pulse() {
  if (board_ == nullptr) return;
  std::lock_guard lock(board_->mutex_);
  std::erase(board_->pulses_, this);
}

}  // namespace call::runtime
