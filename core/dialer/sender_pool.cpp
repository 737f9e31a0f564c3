#include "core/dialer/sender_pool.hpp"

#include <utility>

#include "core/base/assert.hpp"

namespace call::dialer {

SenderPool::SenderPool(std::size_t threads)
    : threads_(threads), pool_("sender", threads, threads) {}

bool SenderPool::reserve() {
  auto taken = taken_.load();
  while (taken < threads_) {
    if (taken_.compare_exchange_weak(taken, taken + 1)) return true;
  }
  return false;
}

void SenderPool::give_back() {
  taken_.fetch_sub(1);
}

void SenderPool::start(std::function<void()> task) {
  // Never full: the queue has a place for every reservation, and a reservation ends before its
  // thread takes the next task.
  CALL_ASSERT(pool_.submit([this, task = std::move(task)] {
    task();
    give_back();
  }));
}

}  // namespace call::dialer
