#include "core/store/callers.hpp"

#include "core/contacts/phone.hpp"
#include "core/store/db.hpp"
#include "core/store/names.hpp"

namespace call::store {
namespace {

Result<std::int64_t> pool_id(Txn& txn, std::string_view name) {
  const auto row = query_row(txn, "SELECT id FROM caller_pools WHERE name = $1", {name});
  if (row) return number(*row, "id");
  return Error{Errc::not_found, "there is no caller pool " + std::string(name)};
}

std::vector<CallerPool> read_pools(Txn& txn, std::optional<std::string_view> name) {
  std::vector<CallerPool> out;
  const auto rows = query(
      txn,
      "SELECT p.name, n.number, n.concurrency, unix_us(n.used_at) AS used_at, (SELECT count(*) "
      "FROM attempts a WHERE a.tenant_id = n.tenant_id AND a.from_number = n.number AND a.state IN "
      "('intent', 'sending', 'placed', 'unknown')) AS open FROM caller_pools p LEFT JOIN "
      "caller_numbers n ON n.pool_id = p.id WHERE $1::text IS NULL OR p.name = $1 ORDER BY p.name, "
      "n.id",
      {name});
  for (const auto& row : rows) {
    if (out.empty() || out.back().name != text(row, "name")) out.push_back({text(row, "name"), {}});
    if (row["number"].is_null()) continue;
    out.back().numbers.push_back({text(row, "number"), static_cast<int>(number(row, "concurrency")),
                                  number(row, "open"), optional_time(row, "used_at")});
  }
  return out;
}

}  // namespace

Result<CallerPool> put_callers(Connection& connection, std::int64_t tenant_id,
                               std::string_view pool, const std::vector<std::string>& numbers,
                               int concurrency) {
  CALL_CHECK(check_identifier("a caller pool", pool));
  if (concurrency < 1 || concurrency > 1000)
    return Error{Errc::invalid_argument, "the concurrency of a caller id is 1 to 1000"};
  for (const auto& caller : numbers) {
    if (!contacts::is_e164(caller))
      return Error{Errc::invalid_argument, "\"" + caller + "\" is not E.164 (+14155550100)"};
  }
  const auto body = [&](Txn& txn) -> Result<CallerPool> {
    query(txn, "INSERT INTO caller_pools (tenant_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
          {tenant_id, pool});
    CALL_TRY(const auto id, pool_id(txn, pool));
    for (const auto& caller : numbers) {
      query(txn,
            "INSERT INTO caller_numbers (tenant_id, pool_id, number, concurrency) VALUES ($1, $2, "
            "$3, $4) ON CONFLICT (pool_id, number) DO UPDATE SET concurrency = "
            "excluded.concurrency",
            {tenant_id, id, caller, concurrency});
    }
    return read_pools(txn, pool).front();
  };
  return in_transaction(connection, tenant_id, "cannot change the caller pool", body);
}

Result<std::vector<CallerPool>> caller_pools(Connection& connection, std::int64_t tenant_id) {
  const auto body = [](Txn& txn) -> Result<std::vector<CallerPool>> {
    return read_pools(txn, std::nullopt);
  };
  return in_transaction(connection, tenant_id, "cannot read the caller pools", body);
}

Status remove_callers(Connection& connection, std::int64_t tenant_id, std::string_view pool,
                      std::string_view number) {
  return transact(connection, tenant_id, "cannot change the caller pool", [&](Txn& txn) -> Status {
    CALL_TRY(const auto id, pool_id(txn, pool));
    if (number.empty()) {
      if (query_row(txn, "SELECT 1 FROM lists WHERE caller_pool_id = $1 LIMIT 1", {id}))
        return Error{Errc::conflict, "lists call from the pool " + std::string(pool)};
      query(txn, "DELETE FROM caller_pools WHERE id = $1", {id});
      return {};
    }
    const auto rows =
        query(txn, "DELETE FROM caller_numbers WHERE pool_id = $1 AND number = $2", {id, number});
    if (rows.affected_rows() > 0) return {};
    return Error{Errc::not_found,
                 std::string(number) + " is not in the caller pool " + std::string(pool)};
  });
}

}  // namespace call::store
