#include "core/store/dnc.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/contacts/phone.hpp"
#include "core/json/json.hpp"
#include "core/store/db.hpp"
#include "core/store/judge.hpp"

namespace call::store {
namespace {

constexpr std::size_t kBatch = 10'000;

Status check_patterns(const std::vector<std::string>& patterns) {
  const auto wrong = std::find_if_not(patterns.begin(), patterns.end(), contacts::is_dnc_pattern);
  if (wrong == patterns.end()) return {};
  return Error{Errc::invalid_argument,
               "\"" + *wrong +
                   "\" is neither a number such as +14155550123 nor the beginning of "
                   "some such as +1900*"};
}

/// How many were not there yet.
std::int64_t insert(Txn& txn, DncOwner owner, const std::vector<std::string>& patterns,
                    std::string_view registry, std::string_view note) {
  std::int64_t added = 0;
  for (std::size_t at = 0; at < patterns.size(); at += kBatch) {
    const auto end = std::min(at + kBatch, patterns.size());
    const std::vector<std::string> batch(patterns.begin() + static_cast<std::ptrdiff_t>(at),
                                         patterns.begin() + static_cast<std::ptrdiff_t>(end));
    const auto rows = query(txn,
                            "INSERT INTO dnc (tenant_id, pattern, registry, note) SELECT $1, "
                            "jsonb_array_elements_text($2), $3, $4 ON CONFLICT DO NOTHING",
                            {owner, json::dump(Json(batch)), registry, note});
    added += static_cast<std::int64_t>(rows.affected_rows());
  }
  return added;
}

}  // namespace

Result<std::int64_t> add_dnc(Connection& connection, DncOwner owner,
                             const std::vector<std::string>& patterns, std::string_view note) {
  CALL_CHECK(check_patterns(patterns));
  const auto body = [&](Txn& txn) -> Result<std::int64_t> {
    return insert(txn, owner, patterns, "", note);
  };
  return in_transaction(connection, owner, "cannot add to the do-not-call list", body);
}

Result<std::int64_t> import_registry(Connection& connection, DncOwner owner,
                                     std::string_view registry,
                                     const std::vector<std::string>& patterns) {
  CALL_CHECK(check_patterns(patterns));
  const auto body = [&](Txn& txn) -> Result<std::int64_t> {
    query(txn, "DELETE FROM dnc WHERE registry = $1 AND tenant_id IS NOT DISTINCT FROM $2::bigint",
          {registry, owner});
    const auto count = insert(txn, owner, patterns, registry, "");
    query(txn,
          "INSERT INTO dnc_registries (tenant_id, name, patterns) VALUES ($1, $2, $3) ON CONFLICT "
          "(name, coalesce(tenant_id, 0)) DO UPDATE SET read_at = now(), patterns = "
          "excluded.patterns",
          {owner, registry, count});
    return count;
  };
  return in_transaction(connection, owner, "cannot import the registry", body);
}

Result<std::int64_t> registry_size(Connection& connection, DncOwner owner,
                                   std::string_view registry) {
  const auto body = [&](Txn& txn) -> Result<std::int64_t> {
    const auto rows =
        query(txn,
              "SELECT count(*) AS n FROM dnc WHERE registry = $1 AND tenant_id IS NOT "
              "DISTINCT FROM $2::bigint",
              {registry, owner});
    return number(rows[0], "n");
  };
  return in_transaction(connection, owner, "cannot read the registry", body);
}

Status remove_dnc(Connection& connection, DncOwner owner, std::string_view pattern,
                  std::string_view registry) {
  return transact(connection, owner, "cannot change the do-not-call list", [&](Txn& txn) -> Status {
    const auto rows = query(txn,
                            "DELETE FROM dnc WHERE pattern = $1 AND registry = $2 AND tenant_id IS "
                            "NOT DISTINCT FROM $3::bigint",
                            {pattern, registry, owner});
    if (rows.affected_rows() > 0) return {};
    return Error{Errc::not_found, std::string(pattern) + " is not on that do-not-call list"};
  });
}

Result<std::vector<DncRule>> dnc_rules(Connection& connection, std::int64_t tenant_id,
                                       const DncFilter& filter) {
  const auto body = [&](Txn& txn) -> Result<std::vector<DncRule>> {
    std::optional<std::string> patterns;
    if (!filter.number.empty()) patterns = json::dump(Json(dnc_patterns_of(filter.number)));
    const auto rows = query(
        txn,
        "SELECT id, pattern, tenant_id IS NULL AS everybody, registry, note, unix_us(created_at) "
        "AS created_at FROM dnc WHERE id > $1 AND ($2::text IS NULL OR registry = $2) AND "
        "($3::jsonb IS NULL OR pattern IN (SELECT jsonb_array_elements_text($3))) ORDER BY id "
        "LIMIT $4",
        {filter.after_id, filter.registry, patterns, std::clamp(filter.limit, 1, 10000)});
    std::vector<DncRule> out;
    for (const auto& row : rows) {
      out.push_back({number(row, "id"), text(row, "pattern"), flag(row, "everybody"),
                     text(row, "registry"), text(row, "note"), time(row, "created_at")});
    }
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the do-not-call list", body);
}

}  // namespace call::store
