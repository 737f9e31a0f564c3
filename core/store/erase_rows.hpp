// What retention erases, as actions of clean-up. Internal to this module; every function runs inside
// its caller's transaction.
//
//   erase_recordings  a day whose call records are due (subject: 2026-08-01): what was said goes, who
//                     called whom, when and how it ended stays
//   erase_list        a list that is over and due: numbers, names, variables and the carrier's words go,
//                     outcomes, reasons and times stay
//   erase_events      a day of reports (as above) that never found their call
#pragma once

#include <vector>

#include "core/store/cleanup.hpp"
#include "core/store/db.hpp"

namespace call::store {

/// Never a list that can still be dialed or has a call open, nor one whose numbers a cap or a cool-down
/// of its tenant may still count.
void find_expired(Txn& txn, std::vector<CleanupAction>& out, const Retention& retention);

/// True if it was still to be done. Looks again under the list's lock.
bool erase(Txn& txn, const CleanupAction& action);

}  // namespace call::store
