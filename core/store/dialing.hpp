// The driver's side of the attempt protocol. One driver per list: it holds a lease with an epoch
// that only grows.
//
// Actions (claim, mark_sending) need the lease to be the live one: Errc::conflict means that
// another driver took over, or the list is no longer running, and the caller must stop. Facts
// (settle_*) are accepted from the driver that made the attempt even after it lost the lease: what
// the carrier answered is evidence, whoever holds the list now. A taken-over list has its dead
// driver's `sending` attempts made unknown and its `intent` attempts undone, in the transaction
// that takes it over. System-wide: these functions see every tenant.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/lists.hpp"

namespace call::store {

struct DriverLease {
  std::int64_t list_id = 0;
  std::string holder;
  std::int64_t epoch = 0;
};

/// Errc::conflict: another holder's lease is live (the text names it). The same holder again: a new
/// epoch.
Result<DriverLease> acquire_lease(Connection& connection, std::int64_t list_id,
                                  std::string_view holder, std::chrono::milliseconds ttl);
/// Errc::conflict: lost.
Status renew_lease(Connection& connection, const DriverLease& lease, std::chrono::milliseconds ttl);
/// Gives the list up; its intents are undone. Harmless when already lost.
Status release_lease(Connection& connection, const DriverLease& lease);

/// The list with its settings, whatever its tenant; Errc::not_found.
Result<List> load_list(Connection& connection, std::int64_t list_id);
/// Running lists without a live driver that have something to do now or in the next seconds: each
/// needs a dial_list job. A list whose entries all wait for tomorrow needs none.
Result<std::vector<std::int64_t>> lists_without_driver(Connection& connection);

struct Claim {
  std::string attempt_id;  ///< UUID
  std::string token;       ///< 32 hex digits, in the webhook addresses
  std::int64_t entry_id = 0;
  int n = 0;
  std::string to_number;
  std::string from_number;
  std::string name;
  std::string variables_json;
  std::chrono::seconds ring_timeout{0};  ///< the list's, or longer when the policy asks for it
};

/// Limits above the list's own, which the store knows from nowhere else.
struct ClaimLimits {
  std::int64_t account_concurrency = 0;  ///< open attempts of all tenants; 0: no limit
  std::int64_t most = 1;                 ///< entries claimed at once
};

enum class NoClaim {
  list_not_running,
  no_slot,      ///< as many open attempts as the list, its tenant, the account or its caller ids
                ///< allow; or a list of a higher priority goes first
  not_due,      ///< entries wait: for a retry, for the policy, for the list's start, or because
                ///< their number is in a call
  all_claimed,  ///< no entry waits; calls are still open
  all_done,     ///< nothing waits, nothing is open: complete_if_done()
};

struct ClaimResult {
  std::vector<Claim> claims;       ///< in the order in which they are to be sent
  NoClaim why = NoClaim::not_due;  ///< when there are none
  /// not_due: when the first may be; no_slot: when those who go first have asked. 0 if not known.
  std::chrono::milliseconds next_due{0};
  bool idle = false;         ///< not_due: no call is open either
  bool shared_slot = false;  ///< no_slot: the end of any call of the tenant or the account may help
};

/// Takes the next entries that the policy allows and writes their attempts `intent`, in one
/// transaction that does not wait for the disk: a PostgreSQL that dies may forget it, never what was
/// sent after it.
/// Lists that wait for a slot of the tenant or the account get the next ones in the order in which
/// they were served last, tenant by tenant; a driver that waits asks again at least every second.
/// A list whose stored policy cannot be read pauses itself.
/// On the way entries past their not_after become done/expired, those that must never be called
/// done/refused, and those that may not be called yet get the time and the reason.
Result<ClaimResult> claim_entries(Connection& connection, const DriverLease& lease,
                                  const ClaimLimits& limits = {});
/// An attempt on its way to the carrier.
struct OnItsWay {
  DriverLease lease;
  std::string attempt_id;
  std::string call_sid;  ///< of settle_placed(): what the carrier called it
};
/// intent -> sending, durably committed before this returns: only then may the first byte go out.
/// Errc::permission: the policy says no by now (do-not-call, hours, not_after); the intent is undone
/// and nothing is left to do.
Status mark_sending(Connection& connection, const DriverLease& lease, std::string_view attempt_id);
/// The same for several, of any lists, in one transaction; one result each, in their order.
std::vector<Status> mark_sending(Connection& connection,
                                 const std::vector<const OnItsWay*>& attempts);
/// Undoes an intent; its entry waits for `delay` again. Errc::conflict unless it is an intent of
/// this driver.
Status drop_intent(Connection& connection, const DriverLease& lease, std::string_view attempt_id,
                   std::chrono::milliseconds delay);

/// 201: binds the SID, applies events that came before under that SID. Never lowers a status that a
/// webhook set. If a webhook has bound another SID, this second call is ended.
Status settle_placed(Connection& connection, const DriverLease& lease, std::string_view attempt_id,
                     std::string_view call_sid);
/// The same for several, of any lists; one result each, in their order.
std::vector<Status> settle_placed(Connection& connection,
                                  const std::vector<const OnItsWay*>& attempts);
/// 4xx: no call was made. The entry is done/failed, reason "carrier_CODE"; never retried by itself.
Status settle_rejected(Connection& connection, const DriverLease& lease,
                       std::string_view attempt_id, std::string_view code,
                       std::string_view message);
/// 429, or the connection failed before a byte was sent: proven not made, sending -> intent.
Status settle_not_sent(Connection& connection, const DriverLease& lease,
                       std::string_view attempt_id);
/// Anything else: the call may exist. No effect if a webhook has proved it already.
Status settle_unknown(Connection& connection, const DriverLease& lease, std::string_view attempt_id,
                      std::string_view why);

/// running -> completed when every entry is done and no attempt is open; true if it is completed
/// now.
Result<bool> complete_if_done(Connection& connection, const DriverLease& lease);
/// running -> paused with a reason: the driver cannot go on (bad credentials ...). Entries stay as
/// they are, and a resumed list goes on with them.
Status pause_list(Connection& connection, const DriverLease& lease, std::string_view reason);

}  // namespace call::store
