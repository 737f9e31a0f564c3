#include "core/store/db.hpp"

#include <nlohmann/json.hpp>

#include "core/base/affinity.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"

namespace call::store {

namespace {

#if PQXX_VERSION_MAJOR >= 7
pqxx::params parameters(const std::vector<Value>& values) {
  pqxx::params out;
  out.reserve(values.size());
  for (const auto& value : values) out.append(value.c_str());
  return out;
}

pqxx::result run(Txn& txn, const std::string& sql, const std::vector<Value>& values) {
  return txn.work().exec(sql, parameters(values));
}

pqxx::result run_prepared(Txn& txn, const std::string& name, const std::vector<Value>& values) {
  return txn.work().exec(pqxx::prepped(name), parameters(values));
}
#else
std::vector<const char*> parameters(const std::vector<Value>& values) {
  std::vector<const char*> out;
  out.reserve(values.size());
  for (const auto& value : values) out.push_back(value.c_str());
  return out;
}

pqxx::result run(Txn& txn, const std::string& sql, const std::vector<Value>& values) {
  return txn.work().exec_params(sql, pqxx::prepare::make_dynamic_params(parameters(values)));
}

pqxx::result run_prepared(Txn& txn, const std::string& name, const std::vector<Value>& values) {
  return txn.work().exec_prepared(name, pqxx::prepare::make_dynamic_params(parameters(values)));
}
#endif

}  // namespace

// Prepared for the connection when it is asked the second time: PostgreSQL then neither parses it
// again nor, mostly, plans it. A command that asks once is not made to wait for two answers. The
// statements are few and constant, what differs from call to call is in their parameters. Not
// behind a pooler: the session that knows the statement may be another client's next time.
pqxx::result query(Txn& txn, const std::string& sql, const std::vector<Value>& values) {
  auto& impl = txn.impl();
  if (impl.pooled) return run(txn, sql, values);
  const auto name = "s" + std::to_string(std::hash<std::string>{}(sql));
  if (impl.asked.insert(name).second) return run(txn, sql, values);
  if (!impl.prepared.contains(name)) {
    impl.db->prepare(name, sql);
    impl.prepared.insert(name);
  }
  return run_prepared(txn, name, values);
}

void wait_for_turn(Txn& txn, TurnOf what, std::int64_t id) {
  query(txn, "SELECT pg_advisory_xact_lock($1, $2)",
        {static_cast<int>(what), static_cast<int>(id)});
}

std::optional<Row> query_row(Txn& txn, const std::string& sql, const std::vector<Value>& values) {
  const auto rows = query(txn, sql, values);
  if (rows.empty()) return std::nullopt;
  CALL_ASSERT(rows.size() == 1);
  return rows[0];
}

std::string int_array(const std::vector<std::int64_t>& values) {
  std::string out = "{";
  for (const auto value : values) {
    if (out.size() > 1) out += ',';
    out += std::to_string(value);
  }
  return out + "}";
}

std::string plain_array(const std::vector<std::string>& values) {
  return "{" + join(values, ",") + "}";
}

std::string text_array(const std::vector<std::string>& values) {
  return json::dump(Json(values));
}

std::optional<std::int64_t> optional_number(const Row& row, const char* column) {
  if (row[column].is_null()) return std::nullopt;
  return number(row, column);
}

WallTime time(const Row& row, const char* column) {
  return WallTime(std::chrono::microseconds(number(row, column)));
}

std::optional<WallTime> optional_time(const Row& row, const char* column) {
  if (row[column].is_null()) return std::nullopt;
  return time(row, column);
}

void enter_scope(Txn& txn, Scope scope) {
  if (!scope) return;
  query(txn, "SELECT set_config('role', 'calld_api', true), set_config('app.tenant', $1, true)",
        {std::to_string(*scope)});
}

namespace {

Error from_sql_error(const pqxx::sql_error& error, std::string_view doing) {
  const std::string state = error.sqlstate();
  const std::string first_line(split(trim(error.what()), '\n').front());
  const std::string context = std::string(doing) + ": " + first_line;
  const std::string_view group = std::string_view(state).substr(0, 2);
  if (state == "57014") return {Errc::timeout, context};  // statement_timeout
  // libpqxx 6 gives this one without its code.
  const bool denied = dynamic_cast<const pqxx::insufficient_privilege*>(&error) != nullptr;
  if (denied || state == "42501") return {Errc::permission, context};
  if (state == "42P01" || state == "42703") {  // undefined table or column
    return {Errc::conflict, context + "; is the schema up to date? callctl db status"};
  }
  if (group == "23" || group == "40" || state == "55P03") return {Errc::conflict, context};
  if (group == "22") return {Errc::invalid_argument, context};
  if (group == "53" || group == "57" || group == "08") return {Errc::unavailable, context};
  return {Errc::internal, context};
}

}  // namespace

Error error_from_exception(Connection::Impl& impl, std::string_view doing) {
  const bool lost = impl.db && !impl.db->is_open();
  try {
    throw;
  } catch (const pqxx::broken_connection& error) {
    impl.db.reset();
    return {Errc::unavailable,
            std::string(doing) + ": PostgreSQL: " + std::string(trim(error.what()))};
  } catch (const pqxx::in_doubt_error& error) {
    impl.db.reset();
    return {Errc::unavailable,
            std::string(doing) + ": the connection was lost during the commit: " + error.what()};
  } catch (const pqxx::sql_error& error) {
    Error out = from_sql_error(error, doing);
    if (lost) out.code = Errc::unavailable;
    if (out.code == Errc::unavailable) impl.db.reset();
    return out;
  } catch (const std::exception& error) {
    if (lost) impl.db.reset();
    return {lost ? Errc::unavailable : Errc::internal, std::string(doing) + ": " + error.what()};
  }
}

Status transact(Connection& connection, Scope scope, std::string_view doing,
                const std::function<Status(Txn&)>& body) {
  assert_may_block("store");
  constexpr int kTries = 3;
  auto& impl = connection.impl();
  for (int left = kTries;; --left) {
    const bool was_open = impl.db && impl.db->is_open();
    bool committing = false;
    try {
      ensure_connected(impl);
      Txn txn(impl);
      enter_scope(txn, scope);
      if (auto status = body(txn); !status) return status;  // the destructor rolls back
      committing = true;
      txn.commit();
      return {};
    } catch (const pqxx::serialization_failure&) {
      if (left == 1) return error_from_exception(impl, doing);
    } catch (const pqxx::deadlock_detected&) {
      if (left == 1) return error_from_exception(impl, doing);
    } catch (const std::exception&) {
      auto error = error_from_exception(impl, doing);
      // A connection that had died in the pool, as all do when PostgreSQL restarts: nothing of this
      // transaction is in the database, since its commit was never sent.
      const bool stale = was_open && !committing && error.code == Errc::unavailable;
      if (!stale || left < kTries) return error;
    }
  }
}

}  // namespace call::store
