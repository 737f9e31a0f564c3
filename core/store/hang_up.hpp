// Ending the calls of a list that was paused or cancelled, instead of letting them finish.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/outbox.hpp"

namespace call::store {

/// An end_call job for every call of the list that is up, each at most once: committed, to be pushed
/// now. A call whose SID is not known yet is not among them: ask again. Errc::not_found,
/// Errc::conflict while the list is running, which would dial on meanwhile.
Result<std::vector<OutboxJob>> hang_up_calls(Connection& connection, std::int64_t tenant_id,
                                             std::int64_t list_id);

}  // namespace call::store
