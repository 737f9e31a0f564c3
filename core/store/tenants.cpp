#include "core/store/tenants.hpp"

#include "core/base/ids.hpp"
#include "core/crypto/hash.hpp"
#include "core/store/db.hpp"
#include "core/store/names.hpp"
#include "core/store/policy_rows.hpp"

namespace call::store {
namespace {

constexpr const char* kColumns = "id, name, unix_us(created_at) AS created_at";

Tenant to_tenant(const Row& row) {
  return {number(row, "id"), text(row, "name"), time(row, "created_at")};
}

}  // namespace

Result<Tenant> create_tenant(Connection& connection, std::string_view name) {
  CALL_CHECK(check_identifier("a tenant", name));
  const auto body = [&](Txn& txn) -> Result<Tenant> {
    const auto row = query_row(txn,
                               std::string("INSERT INTO tenants (name) VALUES ($1) ON CONFLICT "
                                           "DO NOTHING RETURNING ") +
                                   kColumns,
                               {name});
    if (row) return to_tenant(*row);
    return Error{Errc::conflict, "the tenant " + std::string(name) + " exists"};
  };
  return in_transaction(connection, kSystem, "cannot create the tenant", body);
}

Result<Tenant> find_tenant(Connection& connection, std::string_view name) {
  const auto body = [&](Txn& txn) -> Result<Tenant> {
    const auto row =
        query_row(txn, std::string("SELECT ") + kColumns + " FROM tenants WHERE name = $1", {name});
    if (row) return to_tenant(*row);
    return Error{Errc::not_found, "there is no tenant " + std::string(name)};
  };
  return in_transaction(connection, kSystem, "cannot read the tenant", body);
}

Result<std::vector<Tenant>> tenants(Connection& connection) {
  const auto body = [](Txn& txn) -> Result<std::vector<Tenant>> {
    std::vector<Tenant> out;
    for (const auto& row :
         query(txn, std::string("SELECT ") + kColumns + " FROM tenants ORDER BY name")) {
      out.push_back(to_tenant(row));
    }
    return out;
  };
  return in_transaction(connection, kSystem, "cannot read the tenants", body);
}

Result<TenantLimits> tenant_limits(Connection& connection, std::int64_t tenant_id) {
  const auto body = [&](Txn& txn) -> Result<TenantLimits> {
    const auto row =
        query(txn,
              "SELECT t.concurrency, t.calls_per_second, p.name AS policy FROM tenants "
              "t LEFT JOIN policies p ON p.id = t.policy_id WHERE t.id = $1",
              {tenant_id})[0];
    TenantLimits out;
    out.concurrency = optional_number(row, "concurrency");
    if (!row["calls_per_second"].is_null())
      out.calls_per_second = row["calls_per_second"].as<double>();
    out.policy = text(row, "policy");
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the tenant's limits", body);
}

Status set_tenant_limits(Connection& connection, std::int64_t tenant_id,
                         const TenantLimits& limits) {
  return transact(connection, kSystem, "cannot set the tenant's limits", [&](Txn& txn) -> Status {
    std::optional<std::int64_t> policy;
    if (!limits.policy.empty()) {
      const auto row = query_row(txn, "SELECT id FROM policies WHERE tenant_id = $1 AND name = $2",
                                 {tenant_id, limits.policy});
      if (!row) return Error{Errc::not_found, "the tenant has no policy " + limits.policy};
      policy = number(*row, "id");
    }
    query(txn,
          "UPDATE tenants SET concurrency = $2, calls_per_second = $3, policy_id = $4 WHERE id = "
          "$1",
          {tenant_id, limits.concurrency, limits.calls_per_second, policy});
    ask_again(txn, tenant_id);
    return {};
  });
}

Result<Secret> create_token(Connection& connection, std::int64_t tenant_id, std::string_view name) {
  const Secret token("calld_" + random_hex(32));
  CALL_CHECK(transact(connection, kSystem, "cannot create the token", [&](Txn& txn) -> Status {
    query(txn, "INSERT INTO api_tokens (tenant_id, name, sha256) VALUES ($1, $2, $3)",
          {tenant_id, name, crypto::sha256_hex(token.reveal())});
    return {};
  }));
  return token;
}

Result<std::vector<ApiToken>> tokens(Connection& connection, std::int64_t tenant_id) {
  const auto body = [&](Txn& txn) -> Result<std::vector<ApiToken>> {
    std::vector<ApiToken> out;
    const auto rows = query(txn,
                            "SELECT id, name, unix_us(created_at) AS created_at, "
                            "unix_us(revoked_at) AS revoked_at FROM api_tokens WHERE tenant_id = "
                            "$1 ORDER BY id",
                            {tenant_id});
    for (const auto& row : rows) {
      out.push_back({number(row, "id"), text(row, "name"), time(row, "created_at"),
                     optional_time(row, "revoked_at")});
    }
    return out;
  };
  return in_transaction(connection, kSystem, "cannot read the tokens", body);
}

Status revoke_token(Connection& connection, std::int64_t tenant_id, std::int64_t token_id) {
  return transact(connection, kSystem, "cannot revoke the token", [&](Txn& txn) -> Status {
    const auto row = query_row(txn,
                               "UPDATE api_tokens SET revoked_at = coalesce(revoked_at, now()) "
                               "WHERE id = $1 AND tenant_id = $2 RETURNING id",
                               {token_id, tenant_id});
    if (row) return {};
    return Error{Errc::not_found, "there is no token " + std::to_string(token_id)};
  });
}

Result<Tenant> tenant_of_token(Connection& connection, std::string_view token) {
  const auto body = [&](Txn& txn) -> Result<Tenant> {
    const auto row = query_row(txn,
                               "SELECT t.id, t.name, unix_us(t.created_at) AS created_at FROM "
                               "api_tokens k JOIN tenants t ON t.id = k.tenant_id WHERE k.sha256 "
                               "= $1 AND k.revoked_at IS NULL",
                               {crypto::sha256_hex(token)});
    if (row) return to_tenant(*row);
    return Error{Errc::permission, "the API token is unknown or revoked"};
  };
  return in_transaction(connection, kSystem, "cannot check the API token", body);
}

}  // namespace call::store
