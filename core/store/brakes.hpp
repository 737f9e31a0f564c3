// What makes a list stop by itself: too many failures at once, or too many people who answered and
// heard nothing.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/dialing.hpp"

namespace call::store {

/// Pauses the list when its policy says that it must stop, and says why; empty: it may go on. Reads
/// the calls of the policy's whole span: for every few seconds, not for every call.
Result<std::string> brake_if_needed(Connection& connection, const DriverLease& lease);

}  // namespace call::store
