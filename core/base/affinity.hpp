// Which thread may touch an object, and which threads may block: documentation that runs.
#pragma once

#include <atomic>
#include <thread>

#include "core/base/assert.hpp"

namespace call {

/// Held by an object that lives on one thread. It binds to the first thread that checks, so an object may be
/// built elsewhere and handed over.
class ThreadAffinity {
 public:
  bool here() const {
    std::thread::id none{};
    const auto self = std::this_thread::get_id();
    return owner_.compare_exchange_strong(none, self) || none == self;
  }
  void release() { owner_ = std::thread::id{}; }

 private:
  mutable std::atomic<std::thread::id> owner_{};
};

/// Marks the calling thread as one that must never block (media and network loops). Thread-local.
void forbid_blocking_on_this_thread();
/// First line of every function that can block: aborts on a thread that forbade it.
void assert_may_block(const char* what);

}  // namespace call

#define CALL_ASSERT_ON(affinity) CALL_ASSERT((affinity).here())
