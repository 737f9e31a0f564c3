// The driver of one list: claims entries, takes turns, hands each to a sender thread, and keeps the
// lease alive meanwhile. Internal to this module.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/dialer/attempt.hpp"
#include "core/dialer/dialer.hpp"
#include "core/dialer/pacing.hpp"
#include "core/dialer/wake.hpp"
#include "core/log/log.hpp"
#include "core/redis/connection.hpp"

namespace call::dialer {

/// One thread runs drive(), once; senders report back under one mutex.
class Driver {
 public:
  Driver(const Deps& deps, const Options& options, const Run& run, store::List list,
         store::DriverLease lease, MonoClock::time_point leased_at);
  ~Driver();

  Result<DialReport> drive();

 private:
  std::optional<DialEnd> must_leave();
  void keep_lease();
  void step();
  bool claim();
  void on_no_claim(const store::ClaimResult& result);
  bool take_turn();
  void check_brakes();
  void send();
  void finished(const AttemptReport& report);
  void reconcile_meanwhile();
  void wait(std::chrono::milliseconds span);
  void call_ended(Wakes::Whose whose);
  void settle_sends();
  Status hand_over();
  Result<DialReport> leave(DialEnd end);
  bool draining() const { return run_.draining && run_.draining->load(); }
  Deadline carrier_patience() const { return Deadline::after(deps_.carrier->options().timeout); }

  const Deps& deps_;
  const Options& options_;
  const Run& run_;
  const store::List list_;
  const store::DriverLease lease_;
  const log::Logger log_;
  const Deadline slice_;
  redis::Connection redis_;
  std::vector<Pace> paces_;  // without the caller id's, which the claim names
  MonoClock::time_point brakes_at_;

  LeaseClock clock_;
  MonoClock::time_point renew_at_;
  MonoClock::time_point reconcile_at_;
  std::deque<store::Claim> held_;  // claimed, the first waiting for its turn
  MonoClock::time_point send_at_;  // of the turn taken last
  std::optional<DialEnd> end_;     // why the loop ends, once it is known
  bool outage_logged_ = false;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  int sends_ = 0;                  // under mutex_, as all below
  bool news_ = false;              // a send ended since the last wait, or a call whose slot we need
  bool shares_slot_ = false;       // the end of another list's call would help, too
  std::string credentials_error_;  // not empty: the carrier refuses us
  DialReport report_;
};

}  // namespace call::dialer
