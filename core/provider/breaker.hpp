// A circuit breaker: a service that failed several times in a row is left alone for a while, so that
// the callers hear the fallback at once instead of waiting for one time-out each. Thread-safe.
#pragma once

#include <chrono>
#include <mutex>

#include "core/base/deadline.hpp"
#include "core/metrics/metrics.hpp"

namespace call::provider {

struct BreakerOptions {
  int failures = 5;                        ///< in a row, then it opens
  std::chrono::milliseconds pause{10000};  ///< open that long, then one request tries
};

class Breaker {
 public:
  using Time = MonoClock::time_point;

  explicit Breaker(const BreakerOptions& options = {}) : options_(options) {}
  /// Where failures and refusals are counted from now on; before the first use.
  void count_in(metrics::Counter& failures, metrics::Counter& refusals) {
    failures_ = &failures;
    refusals_ = &refusals;
  }

  /// May a request be sent? Whoever was admitted reports one of the two afterwards; a request that
  /// we cancelled ourselves reports neither.
  bool admit(Time now = MonoClock::now());
  void succeeded();
  void failed(Time now = MonoClock::now());

 private:
  const BreakerOptions options_;
  std::mutex mutex_;
  int in_a_row_ = 0;
  Time closed_until_{};  ///< no request before; meaningful while in_a_row_ is at the limit
  metrics::Counter* failures_ = nullptr;
  metrics::Counter* refusals_ = nullptr;
};

}  // namespace call::provider
