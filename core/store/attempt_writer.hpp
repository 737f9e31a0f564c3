// The two writes that every call makes on its way, those of many calls in one transaction.
#pragma once

#include <chrono>
#include <string_view>

#include "core/base/result.hpp"
#include "core/runtime/batcher.hpp"
#include "core/store/dialing.hpp"
#include "core/store/pool.hpp"

namespace call::store {

/// Thread-safe. Both return when their transaction is committed, or why it is not, and block.
class AttemptWriter {
 public:
  /// `pool` is borrowed. `patience`: as of runtime::Batcher.
  AttemptWriter(Pool& pool, std::chrono::milliseconds patience);

  /// As of dialing.hpp.
  Status mark_sending(const DriverLease& lease, std::string_view attempt_id);
  Status settle_placed(const DriverLease& lease, std::string_view attempt_id,
                       std::string_view call_sid);

 private:
  runtime::Batcher<OnItsWay, Status> marks_;
  runtime::Batcher<OnItsWay, Status> placed_;
};

}  // namespace call::store
