#include "core/store/connection.hpp"

#include "core/base/affinity.hpp"
#include "core/base/strings.hpp"
#include "core/store/db.hpp"

namespace call::store {
namespace {

/// The caller's URL with our limits added. libpq takes parameters in both of its notations; a later
/// one wins.
std::string connection_string(const Options& options) {
  const auto seconds = [](std::chrono::milliseconds span) {
    return std::to_string(
        std::max<std::int64_t>(1, std::chrono::ceil<std::chrono::seconds>(span).count()));
  };
  const std::vector<std::pair<std::string, std::string>> parameters = {
      {"application_name", options.application},
      {"connect_timeout", seconds(options.connect_timeout)},
      {"tcp_user_timeout", std::to_string(options.statement_timeout.count())},
      {"keepalives_idle", "10"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
      // A plan is kept for long: made while a table is small, it shall not read the whole of it for a few
      // rows once it is large. With the price of a page that is not in memory it would.
      {"options", "-crandom_page_cost=1.1 -cstatement_timeout=" +
                      std::to_string(options.statement_timeout.count())}};
  std::string out = options.url.reveal();
  if (out.find("://") == std::string::npos) {
    for (const auto& [key, value] : parameters) {
      out += " " + key + "='" + replace_all(replace_all(value, "\\", "\\\\"), "'", "\\'") + "'";
    }
    return out;
  }
  char separator = out.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [key, value] : parameters) {
    out += separator + key + "=" + replace_all(replace_all(value, "%", "%25"), "=", "%3D");
    separator = '&';
  }
  return out;
}

}  // namespace

void ensure_connected(Connection::Impl& impl) {
  if (impl.db && impl.db->is_open()) return;
  impl.prepared.clear();
  impl.db = std::make_unique<pqxx::connection>(connection_string(impl.options));
  // A pooler invents a process id for its clients; the server tells its own.
  pqxx::nontransaction asking(*impl.db);
  const auto told = impl.db->backendpid();
  impl.pooled = asking.exec("SELECT pg_backend_pid()")[0][0].as<int>() != told;
}

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::Connection(Connection&& other) noexcept = default;
Connection& Connection::operator=(Connection&& other) noexcept = default;
Connection::~Connection() = default;

Result<Connection> Connection::open(const Options& options) {
  assert_may_block("store");
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  Connection out(std::move(impl));
  try {
    ensure_connected(*out.impl_);
  } catch (...) {
    return error_from_exception(*out.impl_, "cannot reach the database");
  }
  return out;
}

Status Connection::ping() {
  return transact(*this, kSystem, "cannot reach the database", [](Txn& txn) -> Status {
    query(txn, "SELECT 1");
    return {};
  });
}

}  // namespace call::store
