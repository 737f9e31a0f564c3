// The threads of calls: one each, named after its call, started when the call begins and joined
// when it has ended.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"

namespace call::flow {

class CallThreads {
 public:
  CallThreads() = default;
  /// Joins all: whoever owns the calls has ended them before.
  ~CallThreads();
  CallThreads(const CallThreads&) = delete;
  CallThreads& operator=(const CallThreads&) = delete;

  /// Runs `body` on a thread of its own, at a lower priority than the loops that carry audio.
  /// `name` is cut to 15 bytes. Errc::limit when the system has no thread to give. Thread-safe,
  /// does not block.
  Status launch(std::string name, std::function<void()> body);
  /// Waits until all bodies have returned; false at the deadline. Blocks.
  bool wait_idle(Deadline deadline);
  std::size_t running() const;

 private:
  struct Entry {
    std::thread thread;
    bool done = false;
  };
  void reap(std::unique_lock<std::mutex>& lock);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<Entry> entries_;
  std::size_t running_ = 0;
};

}  // namespace call::flow
