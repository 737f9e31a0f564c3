// The calling policies of a tenant, which lists name (ListSettings::policy) or which hold for all of them
// (TenantLimits::policy). Fenced to one tenant, as lists.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"

namespace call::store {

struct StoredPolicy {
  std::string name;           ///< [a-z0-9][a-z0-9_-]{0,62}
  std::string document_json;  ///< as policy::parse_policy() reads it
  WallTime updated_at;
  std::int64_t lists = 0;       ///< that name it
  bool tenant_default = false;  ///< of lists that name none
};

/// Makes it or replaces it. Entries that an earlier policy had put off are asked about again.
/// Errc::invalid_argument: the document is no policy.
Result<StoredPolicy> put_policy(Connection& connection, std::int64_t tenant_id,
                                std::string_view name, std::string_view document_json);
Result<std::vector<StoredPolicy>> policies(Connection& connection, std::int64_t tenant_id);
Result<StoredPolicy> find_policy(Connection& connection, std::int64_t tenant_id,
                                 std::string_view name);
/// Errc::conflict while a list or the tenant uses it.
Status remove_policy(Connection& connection, std::int64_t tenant_id, std::string_view name);
}  // namespace call::store
