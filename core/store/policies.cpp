#include "core/store/policies.hpp"

#include "core/policy/policy.hpp"
#include "core/store/db.hpp"
#include "core/store/names.hpp"
#include "core/store/policy_rows.hpp"

namespace call::store {
namespace {

constexpr const char* kSelect =
    "SELECT p.id, p.name, p.document::text AS document, unix_us(p.updated_at) AS updated_at, "
    "(SELECT count(*) FROM lists l WHERE l.policy_id = p.id) AS lists, EXISTS (SELECT FROM tenants "
    "t WHERE t.policy_id = p.id) AS tenant_default FROM policies p ";

StoredPolicy to_policy(const Row& row) {
  return {text(row, "name"), text(row, "document"), time(row, "updated_at"), number(row, "lists"),
          flag(row, "tenant_default")};
}

Result<Row> read_policy(Txn& txn, std::string_view name) {
  const auto row = query_row(txn, std::string(kSelect) + "WHERE p.name = $1", {name});
  if (row) return *row;
  return Error{Errc::not_found, "there is no policy " + std::string(name)};
}

}  // namespace

void ask_again(Txn& txn, std::int64_t tenant_id) {
  query(txn,
        "UPDATE entries SET next_attempt_at = now(), reason = '', detail = '', updated_at = now() "
        "WHERE list_id "
        "IN (SELECT id FROM lists WHERE tenant_id = $1 AND state IN ('draft', 'running', "
        "'paused')) AND state IN ('pending', 'retry_wait') AND next_attempt_at > now() AND reason "
        "IN ('window', 'holiday', 'cap', 'after_conversation', 'after_abandoned', "
        "'registry_stale', 'zone_unavailable')",
        {tenant_id});
}

Result<std::optional<std::int64_t>> policy_id(Txn& txn, std::string_view name) {
  if (name.empty()) return std::optional<std::int64_t>();
  CALL_TRY(const auto row, read_policy(txn, name));
  return std::optional(number(row, "id"));
}

Result<StoredPolicy> put_policy(Connection& connection, std::int64_t tenant_id,
                                std::string_view name, std::string_view document_json) {
  CALL_CHECK(check_identifier("a policy", name));
  CALL_CHECK(policy::parse_policy(document_json));
  const auto body = [&](Txn& txn) -> Result<StoredPolicy> {
    query(txn,
          "INSERT INTO policies (tenant_id, name, document) VALUES ($1, $2, $3) ON CONFLICT "
          "(tenant_id, name) DO UPDATE SET document = excluded.document, updated_at = now()",
          {tenant_id, name, document_json});
    ask_again(txn, tenant_id);
    CALL_TRY(const auto row, read_policy(txn, name));
    return to_policy(row);
  };
  return in_transaction(connection, tenant_id, "cannot store the policy", body);
}

Result<std::vector<StoredPolicy>> policies(Connection& connection, std::int64_t tenant_id) {
  const auto body = [](Txn& txn) -> Result<std::vector<StoredPolicy>> {
    std::vector<StoredPolicy> out;
    for (const auto& row : query(txn, std::string(kSelect) + "ORDER BY p.name"))
      out.push_back(to_policy(row));
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the policies", body);
}

Result<StoredPolicy> find_policy(Connection& connection, std::int64_t tenant_id,
                                 std::string_view name) {
  const auto body = [&](Txn& txn) -> Result<StoredPolicy> {
    CALL_TRY(const auto row, read_policy(txn, name));
    return to_policy(row);
  };
  return in_transaction(connection, tenant_id, "cannot read the policy", body);
}

Status remove_policy(Connection& connection, std::int64_t tenant_id, std::string_view name) {
  return transact(connection, tenant_id, "cannot remove the policy", [&](Txn& txn) -> Status {
    CALL_TRY(const auto row, read_policy(txn, name));
    const auto stored = to_policy(row);
    if (stored.lists > 0 || stored.tenant_default) {
      return Error{Errc::conflict,
                   "the policy " + stored.name + " is in use by " + std::to_string(stored.lists) +
                       " list(s)" + (stored.tenant_default ? " and as the tenant's default" : "")};
    }
    query(txn, "DELETE FROM policies WHERE id = $1", {number(row, "id")});
    return {};
  });
}

}  // namespace call::store
