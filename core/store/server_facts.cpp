#include "core/store/server_facts.hpp"

#include "core/store/db.hpp"

namespace call::store {
namespace {

/// Whoever may not see the states of standbys (as calld may not) sees how many are connected all the same.
void look_at_standbys(Txn& txn, ServerFacts& facts) {
  const auto row = query(txn, R"(
      SELECT current_setting('synchronous_standby_names') AS names, count(pid) AS standbys,
             count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) AS in_step,
             pg_has_role('pg_read_all_stats', 'USAGE') AS visible
      FROM pg_stat_replication standby
      WHERE state IS DISTINCT FROM 'backup'
        AND application_name NOT IN ('pg_basebackup', 'pg_receivewal')
        AND NOT EXISTS (SELECT FROM pg_replication_slots
                        WHERE active_pid = standby.pid AND slot_type = 'logical'))")[0];
  facts.standby_names = text(row, "names");
  facts.standbys = number(row, "standbys");
  if (flag(row, "visible")) facts.standbys_in_step = number(row, "in_step");
}

}  // namespace

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
        look_at_standbys(txn, facts);
        return facts;
      });
}

}  // namespace call::store
