// A queue between threads with a fixed capacity: the producer never blocks and is told what became
// of the item; the consumer may wait until a deadline. Thread-safe, any number of producers and
// consumers.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/deadline.hpp"
#include "core/base/result.hpp"

namespace call::runtime {

enum class Push {
  ok,
  full,     ///< the item was not taken
  dropped,  ///< the item was taken and the oldest one given up for it
  closed,   ///< the item was not taken
};

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) { CALL_ASSERT(capacity > 0); }

  /// ok, full or closed. The item is moved from only when it was taken.
  Push try_push(T&& item) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) return Push::closed;
      if (items_.size() >= capacity_) return Push::full;
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return Push::ok;
  }
  Push try_push(const T& item) { return try_push(T(item)); }

  /// ok, dropped or closed.
  Push push_dropping_oldest(T item) {
    std::optional<T> oldest;  // destroyed outside the lock
    {
      std::lock_guard lock(mutex_);
      if (closed_) return Push::closed;
      if (items_.size() >= capacity_) {
        oldest.emplace(std::move(items_.front()));
        items_.pop_front();
      }
      items_.push_back(std::move(item));
    }
    ready_.notify_one();
    return oldest ? Push::dropped : Push::ok;
  }

  /// Waits for an item. Errc::timeout, or Errc::closed once the queue is closed and empty. Blocks.
  Result<T> pop(Deadline deadline) {
    assert_may_block("BoundedQueue::pop");
    std::unique_lock lock(mutex_);
    const auto something = [this] { return closed_ || !items_.empty(); };
    if (deadline.is_never()) {
      ready_.wait(lock, something);
    } else if (!ready_.wait_until(lock, deadline.point(), something)) {
      return Error{Errc::timeout, "nothing arrived in the queue"};
    }
    if (items_.empty()) return Error{Errc::closed, "the queue is closed"};
    T item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

  std::optional<T> try_pop() {
    std::lock_guard lock(mutex_);
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }

  /// Nothing more is taken; what is inside can still be popped. Wakes all who wait.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

  std::size_t size() const {
    std::lock_guard lock(mutex_);
    return items_.size();
  }
  std::size_t capacity() const { return capacity_; }

 private:
  const std::size_t capacity_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace call::runtime
