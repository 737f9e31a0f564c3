// Calls per second, shared by all workers: one schedule per account, caller id and list in Redis.
//
// Each key holds the moment from which its next call may start (the "generic cell rate algorithm").
// A turn is a moment of the account's schedule, given a little ahead of it, in one script and by
// Redis's own clock: so no moment is missed because a worker woke late, and the long-run rate stays
// within 1 % of the limit. Of the other paces a turn needs that they are due by its moment.
//
// A busy machine sends one call late and the next in time. That no second has more calls than the
// account allows is therefore seen to where they leave: gate.hpp.
//
// Lists that wait for the account are served in order: the tenant that has waited longest since its
// last turn, and of its lists the one that has. A list that another pace holds back does not count.
//
// Redis losing its data costs at most one call ahead of time; Redis being away is an error, and the
// dialer then does not dial.
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

/// Who asks for a turn.
struct Waiter {
  std::int64_t tenant_id = 0;
  std::int64_t list_id = 0;
};

/// Key names. `account` is the carrier's account SID.
std::string account_key(std::string_view account);
std::string caller_id_key(std::string_view account, std::string_view number);
std::string tenant_key(std::string_view account, std::int64_t tenant_id);
std::string list_key(std::string_view account, std::int64_t list_id);

/// Of the answer.
struct Turn {
  bool taken = false;
  std::chrono::microseconds in{0};  ///< taken: until its moment; else until it may be asked again
};

/// Takes one turn of every pace, or of none. The first pace is the account's, for which others may
/// wait. Blocks. Errors as of redis::Connection::run().
Result<Turn> take_turn(redis::Connection& redis, const std::vector<Pace>& paces, const Waiter& who,
                       Deadline deadline);

/// No turn of this key before `span` is over: the carrier said so (Retry-After). Never shortens.
Status hold(redis::Connection& redis, std::string_view key, std::chrono::milliseconds span,
            Deadline deadline);

}  // namespace call::dialer
