// Tenants and their API tokens. A token is shown once, when made; only its SHA-256 is stored.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/store/connection.hpp"

namespace call::store {

struct Tenant {
  std::int64_t id = 0;
  std::string name;  ///< [a-z0-9][a-z0-9_-]{0,62}
  WallTime created_at;
};

/// What holds for a tenant as a whole, all its lists together.
struct TenantLimits {
  std::optional<std::int64_t> concurrency;  ///< open calls at once; none: no limit
  std::optional<double> calls_per_second;
  std::string policy;  ///< of lists that name none; empty: none
};

struct ApiToken {
  std::int64_t id = 0;
  std::string name;
  WallTime created_at;
  std::optional<WallTime> revoked_at;
};

/// Errc::conflict: the name is taken. A new database has the tenant "default".
Result<Tenant> create_tenant(Connection& connection, std::string_view name);
/// Errc::not_found: an unknown tenant is never "the first one".
Result<Tenant> find_tenant(Connection& connection, std::string_view name);
Result<std::vector<Tenant>> tenants(Connection& connection);

Result<TenantLimits> tenant_limits(Connection& connection, std::int64_t tenant_id);
/// Errc::not_found: the tenant has no such policy.
Status set_tenant_limits(Connection& connection, std::int64_t tenant_id,
                         const TenantLimits& limits);

/// A new token in plain text ("calld_" and 64 hex digits).
Result<Secret> create_token(Connection& connection, std::int64_t tenant_id, std::string_view name);
Result<std::vector<ApiToken>> tokens(Connection& connection, std::int64_t tenant_id);
Status revoke_token(Connection& connection, std::int64_t tenant_id, std::int64_t token_id);
/// The tenant that a bearer token belongs to; Errc::permission for an unknown or revoked one.
Result<Tenant> tenant_of_token(Connection& connection, std::string_view token);

}  // namespace call::store
