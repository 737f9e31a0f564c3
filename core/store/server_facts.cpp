#include "core/store/server_facts.hpp"

#include "core/store/db.hpp"

namespace call::store {

Result<ServerFacts> server_facts(Connection& connection) {
  return in_transaction(
      connection, kSystem, "looking at the server", [](Txn& txn) -> Result<ServerFacts> {
        const auto row = query(txn, R"(
      SELECT current_setting('server_version_num')::bigint AS version,
             current_setting('server_version') AS version_text,
             current_setting('synchronous_commit') AS synchronous_commit,
             current_setting('fsync')::boolean AS fsync,
             current_setting('full_page_writes')::boolean AS full_page_writes,
             pg_is_in_recovery() AS standby,
             (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout') AS time_limit,
             (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
             current_setting('max_connections')::bigint AS connections_max,
             unix_us(clock_timestamp()) AS now)")[0];
        ServerFacts facts;
        facts.version = number(row, "version");
        facts.version_text = text(row, "version_text");
        facts.synchronous_commit = text(row, "synchronous_commit");
        facts.fsync = flag(row, "fsync");
        facts.full_page_writes = flag(row, "full_page_writes");
        facts.standby = flag(row, "standby");
        facts.pooled = txn.impl().pooled;
        facts.statement_timeout = std::chrono::milliseconds(number(row, "time_limit"));
        facts.connections = number(row, "connections");
        facts.connections_max = number(row, "connections_max");
        facts.now = time(row, "now");
        return facts;
      });
}

}  // namespace call::store
