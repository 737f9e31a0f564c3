// What the worker does besides jobs, once a second: pushes what waits in the outbox, finds running
// lists that nobody drives (their worker died, or Redis lost their job), and has attempts without
// news looked at that belong to no driver.
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
  Chores(const Deps& deps, Options options);

  /// One round; blocks for a few seconds at most. Failures are logged and tried again next time.
  void tick();

  /// A dial_list job for every running list without a live driver and without a job that waits:
  /// how many. Called by each tick().
  Result<std::size_t> revive_lists(Deadline deadline);
  /// A reconcile job if there is work for it; one in the whole cluster at a time.
  Status ask_to_reconcile(Deadline deadline);

 private:
  Status round(Deadline deadline);

  const Deps& deps_;
  const Options options_;
  rq::Client queue_;
  MonoClock::time_point reconcile_at_;
  log::Throttle failures_{std::chrono::seconds(30)};
  const log::Logger log_{"dialer"};
};

}  // namespace call::dialer
