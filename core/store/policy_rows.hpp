// Policies inside another change's transaction. Internal to this module.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/store/db.hpp"

namespace call::store {

/// The tenant's entries that the policy had put off are due again, to be judged by the new one.
void ask_again(Txn& txn, std::int64_t tenant_id);
/// nullopt for an empty name; Errc::not_found.
Result<std::optional<std::int64_t>> policy_id(Txn& txn, std::string_view name);

}  // namespace call::store
