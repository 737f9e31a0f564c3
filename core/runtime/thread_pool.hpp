// A fixed number of threads for work that may block, behind a bounded queue. Full means "refuse
// now", so that the caller can say so to whoever asked, instead of growing without limit.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/runtime/bounded_queue.hpp"

namespace call::runtime {

class ThreadPool {
 public:
  /// Threads are named NAME-0, NAME-1, ...: at most 12 bytes of `name`.
  ThreadPool(const std::string& name, std::size_t threads, std::size_t queue_capacity);
  /// close() and join.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// False when the queue is full or the pool closed; the task is then destroyed unrun. Never
  /// blocks, thread-safe. A task that throws ends the process.
  bool submit(std::function<void()> task);
  /// Takes no more tasks; those in the queue still run.
  void close();
  /// close(), then waits until all threads have ended; blocks. Not on a thread of the pool.
  void join();
  std::size_t queued() const { return queue_.size(); }

 private:
  BoundedQueue<std::function<void()>> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace call::runtime
