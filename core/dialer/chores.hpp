// What the worker does besides jobs, once a second: pushes what waits in the outbox, and finds
// running lists that nobody drives (their worker died, or Redis lost their job).
#pragma once

#include <chrono>
#include <cstddef>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/dialer/dialer.hpp"
#include "core/log/log.hpp"
#include "core/rq/client.hpp"

namespace call::dialer {

/// Belongs to one thread.
class Chores {
 public:
  explicit Chores(const Deps& deps);

  /// One round; blocks for a few seconds at most. Failures are logged and tried again next time.
  void tick();

  /// A dial_list job for every running list without a live driver and without a job that waits:
  /// how many. Called by tick() every few seconds.
  Result<std::size_t> revive_lists(Deadline deadline);

 private:
  Status round(Deadline deadline);

  const Deps& deps_;
  rq::Client queue_;
  MonoClock::time_point revive_at_;
  log::Throttle failures_{std::chrono::seconds(30)};
  const log::Logger log_{"dialer"};
};

}  // namespace call::dialer
