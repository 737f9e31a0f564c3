// libpqxx, made small: parameters, rows and transactions. Internal to this module; exceptions end
// at in_transaction().
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <pqxx/pqxx>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/types.hpp"

namespace call::store {

struct Connection::Impl {
  Options options;
  std::unique_ptr<pqxx::connection> db;  // null: not connected
  // A pooler stands in between: each transaction may meet another session of the server.
  bool pooled = false;
  std::unordered_set<std::string> asked;     // names of statements that were asked before
  std::unordered_set<std::string> prepared;  // those that this session knows
};

/// One transaction; rolled back by the destructor unless committed.
class Txn {
 public:
  /// `impl` is connected.
  explicit Txn(Connection::Impl& impl) : impl_(impl), work_(*impl.db) {}
  Connection::Impl& impl() { return impl_; }
  pqxx::work& work() { return work_; }
  void commit() { work_.commit(); }

 private:
  Connection::Impl& impl_;
  pqxx::work work_;
};

using Row = pqxx::row;

/// One parameter of a statement, in text form.
class Value {
 public:
  Value(std::string_view text)
      : text_(std::string(text)) {}                // NOLINT: implicit by design, as all of these
  Value(const std::string& text) : text_(text) {}  // NOLINT
  Value(const char* text) : text_(text) {}         // NOLINT
  Value(bool value) : text_(value ? "true" : "false") {}  // NOLINT
  Value(WallTime time) : text_(to_rfc3339(time, 6)) {}    // NOLINT
  template <class T>
  requires(std::integral<T> || std::floating_point<T>) Value(T number)
      : text_(pqxx::to_string(number)) {}  // NOLINT
  template <class E>
  requires std::is_enum_v<E> Value(E value) : text_(std::string(to_string(value))) {}  // NOLINT
  template <class T>
  Value(const std::optional<T>& value) {  // NOLINT
    if (value) text_ = Value(*value).text_;
  }

  const char* c_str() const { return text_ ? text_->c_str() : nullptr; }

 private:
  std::optional<std::string> text_;
};

/// Runs one statement with parameters $1, $2 ... May throw, as everything of libpqxx.
pqxx::result query(Txn& txn, const std::string& sql, const std::vector<Value>& values = {});
/// The single row of a statement, or nullopt when it gave none.
std::optional<Row> query_row(Txn& txn, const std::string& sql, const std::vector<Value>& values);
/// What transactions do one at a time, by the id of what it is done to. The number is the first key
/// of an advisory lock.
enum class TurnOf {
  tenant = 1,     ///< counting and taking its calls at once
  account = 2,    ///< the same of all tenants; the id is 0
  additions = 3,  ///< to a list
};
/// Waits until no other transaction has the turn; it is this one's until its end.
void wait_for_turn(Txn& txn, TurnOf what, std::int64_t id);
/// "{1,2,3}", for = ANY($1::bigint[]).
std::string int_array(const std::vector<std::int64_t>& values);
/// "{a,b}", for = ANY($1::text[]): of letters, digits and dashes.
std::string plain_array(const std::vector<std::string>& values);
/// ["a","b"], for jsonb_array_elements_text($1).
std::string text_array(const std::vector<std::string>& values);

// Columns by name. Times are selected as unix_us(column).
inline std::string text(const Row& row, const char* column) {
  return row[column].c_str();
}
inline std::int64_t number(const Row& row, const char* column) {
  return row[column].as<std::int64_t>();
}
inline bool flag(const Row& row, const char* column) {
  return row[column].as<bool>();
}
std::optional<std::int64_t> optional_number(const Row& row, const char* column);
WallTime time(const Row& row, const char* column);
std::optional<WallTime> optional_time(const Row& row, const char* column);

/// For text that our own constraints guarantee.
template <class T>
T known(std::optional<T> value) {
  CALL_ASSERT(value.has_value());
  return *value;
}

/// The role and tenant that a transaction acts for; nullopt: the system, which sees everything.
using Scope = std::optional<std::int64_t>;
inline constexpr Scope kSystem = std::nullopt;

/// Runs `body` in one transaction: committed when it returns a value, rolled back when it returns
/// an error or throws. A deadlock or serialization failure runs it again, 3 times at most, a dead
/// connection found before the commit once. Connects first if needed.
Status transact(Connection& connection, Scope scope, std::string_view doing,
                const std::function<Status(Txn&)>& body);

/// The same for a body that returns Result<T>.
template <class Body>
auto in_transaction(Connection& connection, Scope scope, std::string_view doing, Body&& body)
    -> std::invoke_result_t<Body, Txn&> {
  using Out = std::invoke_result_t<Body, Txn&>;
  if constexpr (std::is_same_v<Out, Status>) {
    return transact(connection, scope, doing, body);
  } else {
    std::optional<Out> out;
    CALL_CHECK(transact(connection, scope, doing, [&](Txn& txn) -> Status {
      out.emplace(body(txn));
      if (!*out) return out->error();
      return {};
    }));
    return std::move(*out);
  }
}

/// Opens `impl.db` unless it is open. May throw.
void ensure_connected(Connection::Impl& impl);
/// The scope of a transaction that is already open, for Import, which keeps one.
void enter_scope(Txn& txn, Scope scope);
/// The exception being handled, as an Error; marks a lost connection for reconnection.
Error error_from_exception(Connection::Impl& impl, std::string_view doing);

}  // namespace call::store
