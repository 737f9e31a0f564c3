// One attempt from its turn to its settlement: the only place that sends a create-call.
#pragma once

#include <atomic>
#include <stop_token>

#include "core/base/deadline.hpp"
#include "core/carrier/carrier.hpp"
#include "core/dialer/dialer.hpp"
#include "core/store/dialing.hpp"
#include "core/store/lists.hpp"

namespace call::dialer {

/// Until when our lease is surely ours, by the monotonic clock. PostgreSQL's compare-and-set is the
/// gate; this catches a process that was stopped between that gate and the first byte. Thread-safe.
class LeaseClock {
 public:
  /// `asked` is when the renewal was sent: the lease cannot have begun earlier.
  void renewed(MonoClock::time_point asked, std::chrono::milliseconds ttl) {
    good_until_ = (asked + ttl - ttl / 5).time_since_epoch().count();
  }
  void lost() { good_until_ = 0; }
  bool good() const { return MonoClock::now().time_since_epoch().count() < good_until_; }

 private:
  std::atomic<MonoClock::rep> good_until_{0};
};

enum class AttemptEnd {
  placed,
  rejected,
  throttled,    ///< 429: back in line
  not_sent,     ///< no byte left: back in line
  unknown,      ///< a telephone may be ringing: only evidence goes on from here
  refused,      ///< the policy said no at the last moment; written, nothing was sent
  fenced,       ///< the lease or the list was gone: nothing was sent
  credentials,  ///< the carrier refuses us altogether: back in line, nothing was called
};

struct AttemptReport {
  AttemptEnd end = AttemptEnd::unknown;
  std::chrono::milliseconds retry_after{0};  ///< throttled
  std::string why;                           ///< not placed
};

/// The request leaves at `send_at` or, when that has passed before it is ready, at once. Blocks for
/// up to the carrier's time-out, and longer while PostgreSQL is away and an answer waits
/// to be written (until the attempt's lease would have been taken over by anyone else twice).
AttemptReport perform_attempt(const Deps& deps, const Options& options,
                              const store::DriverLease& lease, const LeaseClock& clock,
                              const store::List& list, const store::Claim& claim,
                              MonoClock::time_point send_at);

}  // namespace call::dialer
