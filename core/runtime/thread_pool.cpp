#include "core/runtime/thread_pool.hpp"

#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::runtime {
namespace {

void run_tasks(BoundedQueue<std::function<void()>>& queue) noexcept {
  while (auto task = queue.pop(Deadline::never())) (*task)();
}

}  // namespace

ThreadPool::ThreadPool(const std::string& name, std::size_t threads, std::size_t queue_capacity)
    : queue_(queue_capacity) {
  CALL_ASSERT(threads > 0 && name.size() <= 12);
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this, own_name = name + "-" + std::to_string(i % 100)] {
      name_this_thread(own_name);
      run_tasks(queue_);
    });
  }
}

ThreadPool::~ThreadPool() {
  join();
}

bool ThreadPool::submit(std::function<void()> task) {
  return queue_.try_push(std::move(task)) == Push::ok;
}

void ThreadPool::close() {
  queue_.close();
}

void ThreadPool::join() {
  assert_may_block("ThreadPool::join");
  close();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

}  // namespace call::runtime
