// The last step before a create-call leaves: no second may have more of them than the account's limit.
// Redis keeps the moments of the last calls of the account, as many as the limit allows in a second; the
// next may leave when the oldest is a second and a little more ago. The little more is for what the
// way to the carrier adds to one call and not to another.
//
// Turns (pacing.hpp) are spaced so that the gate is open when a call comes in time. It closes on what a
// busy machine sent late and is about to be followed too soon.
#pragma once

#include <chrono>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/guarded.hpp"
#include "core/base/result.hpp"
#include "core/dialer/pacing.hpp"
#include "core/redis/connection.hpp"

namespace call::dialer {

/// Thread-safe: senders share it, each with a connection of its own while it asks.
class Gate {
 public:
  explicit Gate(redis::Endpoint endpoint);

  /// Zero: the call leaves now, and is counted. Else how long until it may be asked again. Blocks.
  /// Errors as of redis::Connection::run(): then nothing may leave.
  Result<std::chrono::microseconds> pass(const Pace& account, Deadline deadline);

 private:
  redis::Connection take();

  const redis::Endpoint endpoint_;
  Guarded<std::vector<redis::Connection>> idle_;
};

}  // namespace call::dialer
