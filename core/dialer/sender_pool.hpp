// The threads that send create-calls: few, shared by all drivers of a worker, so that a slow carrier
// slows one call and not the list. A driver reserves a thread before it takes a turn: a turn is
// followed by its send at once, never by a wait in a queue.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

#include "core/runtime/thread_pool.hpp"

namespace call::dialer {

/// Thread-safe. Must outlive every driver; its destructor waits for what runs.
class SenderPool {
 public:
  explicit SenderPool(std::size_t threads);

  /// A thread of one's own: false when all are taken. Follow with start() or give_back().
  bool reserve();
  void give_back();
  /// Runs the task on the reserved thread, which is free again afterwards.
  void start(std::function<void()> task);

 private:
  const std::size_t threads_;
  std::atomic<std::size_t> taken_{0};
  runtime::ThreadPool pool_;
};

}  // namespace call::dialer
