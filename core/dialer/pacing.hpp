// Calls per second, shared by all workers: one schedule per account, caller id and list in Redis.
//
// Each key holds the moment from which its next call may start (the "generic cell rate algorithm"
// with a burst of one). A turn needs every key to be due and moves all of them by their interval, in
// one script and by Redis's own clock, so that in no second more calls start than the rate allows,
// however many workers take turns. Redis losing its data costs at most one call ahead of time;
// Redis being away is an error, and the dialer then does not dial.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/redis/connection.hpp"

namespace call::dialer {

struct Pace {
  std::string key;        ///< see account_pace() and the like
  double per_second = 1;  ///< above 0; below 1 for less than a call a second
};

/// Key names. `account` is the carrier's account SID.
std::string account_key(std::string_view account);
std::string caller_id_key(std::string_view account, std::string_view number);
std::string list_key(std::string_view account, std::int64_t list_id);

/// Takes one turn of every pace, or of none: zero when taken, else how long until it may be asked
/// again. Blocks. Errors as of redis::Connection::run().
Result<std::chrono::microseconds> take_turn(redis::Connection& redis,
                                            const std::vector<Pace>& paces, Deadline deadline);

/// No turn of this key before `span` is over: the carrier said so (Retry-After). Never shortens.
Status hold(redis::Connection& redis, std::string_view key, std::chrono::milliseconds span,
            Deadline deadline);

}  // namespace call::dialer
