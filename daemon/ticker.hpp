// A chore that recurs, on a thread of its own.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "core/runtime/thread_name.hpp"

namespace call::daemon {

/// Runs `chore` at once and then again `period` after each end, until destroyed (which waits for
/// the run under way). The chore may block; it must not throw. `name`: at most 15 bytes.
class Ticker {
 public:
  Ticker(std::string name, std::chrono::milliseconds period, std::function<void()> chore)
      : thread_([this, name = std::move(name), period,
                 chore = std::move(chore)](const std::stop_token& stop) {
          runtime::name_this_thread(name);
          while (!stop.stop_requested()) {
            chore();
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, stop, period, [] { return false; });
          }
        }) {}

 private:
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: it ends before the rest
};

}  // namespace call::daemon
