// Many threads' work, done together: whoever finds nobody at it does all that waits, its own among it.
// So a busy program pays once for many (a commit that waits for the disk, say), and an idle one never
// waits for company.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/base/deadline.hpp"

namespace call::runtime {

/// Thread-safe.
template <class In, class Out>
class Batcher {
 public:
  /// Answers each, in their order. Runs on a thread that called put(); must not throw.
  using Work = std::function<std::vector<Out>(const std::vector<const In*>&)>;

  /// `most`: in one batch. A batch that takes longer than `patience`, because it waits for somebody's
  /// lock, does not hold up what came after it: another one goes beside it.
  Batcher(Work work, std::size_t most, std::chrono::milliseconds patience)
      : work_(std::move(work)), most_(most), patience_(patience) {}

  /// Returns when it is done. Blocks.
  Out put(const In& in) {
    assert_may_block("Batcher::put");
    Waiting own{&in, {}, {}};
    std::unique_lock lock(mutex_);
    waiting_.push_back(&own);
    while (!own.out) {
      if (own.taken)
        own.changed.wait(lock);
      else if (may_begin())
        run_batch(lock);
      else
        own.changed.wait_for(lock, patience_);
    }
    return *std::move(own.out);
  }

  /// What no batch has taken yet.
  std::size_t waiting() const {
    std::lock_guard lock(mutex_);
    return waiting_.size();
  }

 private:
  struct Waiting {
    const In* in;
    std::condition_variable changed;
    std::optional<Out> out;  // under mutex_
    bool taken = false;      // under mutex_: a batch has it
  };

  bool may_begin() const { return running_ == 0 || MonoClock::now() - last_begun_ >= patience_; }

  std::vector<Waiting*> take_batch() {
    const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), most_));
    std::vector<Waiting*> batch(waiting_.begin(), waiting_.begin() + count);
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    for (auto* one : batch) one->taken = true;
    return batch;
  }

  void run_batch(std::unique_lock<std::mutex>& lock) {
    const auto batch = take_batch();
    ++running_;
    last_begun_ = MonoClock::now();
    lock.unlock();
    std::vector<const In*> all;
    for (const auto* one : batch) all.push_back(one->in);
    auto out = work_(all);
    CALL_ASSERT(out.size() == batch.size());
    lock.lock();
    --running_;
    // Who has its answer may be gone as soon as the lock is.
    for (std::size_t i = 0; i < batch.size(); ++i) {
      batch[i]->out.emplace(std::move(out[i]));
      batch[i]->changed.notify_one();
    }
    if (!waiting_.empty()) waiting_.front()->changed.notify_one();
  }

  const Work work_;
  const std::size_t most_;
  const std::chrono::milliseconds patience_;
  mutable std::mutex mutex_;
  std::deque<Waiting*> waiting_;        // under mutex_; not taken yet
  std::size_t running_ = 0;             // under mutex_
  MonoClock::time_point last_begun_{};  // under mutex_
};

}  // namespace call::runtime
