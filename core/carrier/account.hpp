// What the carrier says about the account itself: for `callctl doctor`. Reads only.
#pragma once

#include <optional>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/carrier/carrier.hpp"

namespace call::carrier {

struct Account {
  std::optional<double> balance;  ///< nullopt: this carrier does not tell
  std::string currency;
  std::optional<WallTime> now;  ///< the carrier's clock, by the Date of its answer; whole seconds
};

/// One request. Errc::permission: the account or its token is refused. Errors else as of Carrier. Blocks.
Result<Account> look_at_account(const Options& options, Deadline deadline);

}  // namespace call::carrier
