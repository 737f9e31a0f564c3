// The threads of calls: one each, named after its call, started when the call begins. Each joins, at
// its end, those that ended before it, so that whoever starts one, which is a media loop, never waits
// for a thread of low priority that is dying.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <thread>

#include "core/base/deadline.hpp"
#include "core/base/pi_mutex.hpp"
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
  /// Waits until all threads are at their end; false at the deadline. Blocks.
  bool wait_idle(Deadline deadline);
  std::size_t running() const;

 private:
  using Threads = std::list<std::thread>;
  void end(Threads::iterator self);

  mutable PiMutex mutex_;
  PiCondition changed_;
  Threads threads_;
  Threads ended_;  ///< for the next one that ends; the last ones are the destructor's
  std::size_t running_ = 0;
};

}  // namespace call::flow
