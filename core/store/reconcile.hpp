// Attempts whose fate needs evidence, and what to do when there is none. The dialer asks the
// carrier; the store only remembers. System-wide, except where a tenant is named.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/uptime.hpp"
#include "core/store/connection.hpp"
#include "core/store/types.hpp"

namespace call::store {

struct StaleAttempt {
  std::string id;
  std::string token;
  std::int64_t list_id = 0;
  AttemptState state = AttemptState::unknown;  ///< unknown, or placed with its end overdue
  std::string to_number;
  std::string from_number;
  std::string call_sid;  ///< placed ones
  WallTime sent_at;
  std::chrono::milliseconds age{0};  ///< since sent, by PostgreSQL's clock
};

/// Whose attempts are looked for.
struct StaleScope {
  std::optional<std::int64_t> list_id;  ///< of one list
  bool only_undriven = false;           ///< of lists that no live driver looks after
};
/// Unknown for at least `unknown_grace`, or placed and silent for `overdue_grace` beyond ring
/// timeout + time limit. The oldest first.
Result<std::vector<StaleAttempt>> stale_attempts(Connection& connection, const StaleScope& scope,
                                                 std::chrono::milliseconds unknown_grace,
                                                 std::chrono::milliseconds overdue_grace,
                                                 int limit = 100);
/// Whether some attempt has this call SID.
Result<bool> sid_is_bound(Connection& connection, std::string_view call_sid);
/// Evidence found: unknown -> placed with this SID (then apply a `fetched` event with the status).
/// Errc::conflict: the call is another attempt's, or the attempt has another call.
Status confirm_placed(Connection& connection, std::string_view attempt_id,
                      std::string_view call_sid);
/// The carrier was asked about the attempt and knows no call of it. Returns for how long it has been
/// asked in vain, by the machine's uptime: PostgreSQL's clock may have jumped since the attempt was sent.
/// A look from another machine, or after a restart, counts for `round`, the pause between two looks.
Result<std::chrono::milliseconds> asked_in_vain(Connection& connection, std::string_view attempt_id,
                                                const Uptime& now, std::chrono::milliseconds round);
/// No evidence by the deadline: unknown -> abandoned; the entry is done/failed, reason "unknown".
/// False if it is no longer unknown.
Result<bool> abandon(Connection& connection, std::string_view attempt_id, std::string_view why);

/// The carrier does not know the call, though it gave its SID: placed -> ended, the entry is
/// done/failed, reason "lost_by_carrier". False if it is no longer placed.
Result<bool> lose_call(Connection& connection, std::string_view attempt_id);
inline constexpr std::string_view kLostByCarrier = "lost_by_carrier";

/// Abandoned attempts of all tenants that no operator has resolved.
Result<std::int64_t> abandoned_attempts(Connection& connection);

/// An operator's word on an attempt that is unknown, abandoned, or placed with its end overdue.
enum class Resolution {
  give_up,  ///< abandoned or lost_by_carrier, entry done/failed
  redial,   ///< the same, but the entry waits again: the operator vouches that no call is up. A
            ///< completed list is running again, and gets a driver as any without one
};
/// Errc::conflict: the attempt is none of these, its entry went on, or its list was cancelled or
/// erased.
Status resolve_attempt(Connection& connection, std::int64_t tenant_id, std::string_view attempt_id,
                       Resolution resolution);

}  // namespace call::store
