// The lease as the driver's other functions need it. Internal to this module.
#pragma once

#include "core/store/db.hpp"
#include "core/store/dialing.hpp"

namespace call::store {

/// Locks the lease row; true if the lease is the live one. Serializes all actions of a list's
/// driver, and keeps a takeover out until we commit.
bool lock_lease(Txn& txn, const DriverLease& lease);
/// The same as a Status: Errc::conflict when lost.
Status require_lease(Txn& txn, const DriverLease& lease);
/// The state of the lease's list, which holds until we commit.
ListState lock_list_state(Txn& txn, std::int64_t list_id);
/// running -> paused, because of what the reason says. False where it is not running, or somebody has
/// its row at this moment (a long import): the driver's thread does not wait for that.
bool pause_itself(Txn& txn, std::int64_t list_id, std::string_view reason);
/// What a dead driver left, up to and with `epoch`: sending becomes unknown, intents are undone.
void take_over(Txn& txn, std::int64_t list_id, std::int64_t epoch);

}  // namespace call::store
