// callctl doctor: PostgreSQL and Redis. Losing Redis may delay calls; a PostgreSQL that forgets a commit can repeat
// one, so its settings are errors where Redis's are warnings.
#include <fmt/format.h>

#include "cmd/doctor.hpp"
#include "core/base/strings.hpp"
#include "core/rq/reads.hpp"
#include "core/store/cleanup.hpp"
#include "core/store/migrate.hpp"
#include "core/store/reconcile.hpp"
#include "core/store/server_facts.hpp"

namespace call::cmd::doctor {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kOldestPostgres = 130000;
constexpr int kOldestRedis = 5;

/// A shell command that runs these statements as PostgreSQL's superuser.
std::string as_postgres(std::initializer_list<std::string_view> statements) {
  std::string out = "sudo -u postgres psql";
  for (const auto statement : statements) out += fmt::format(" -c \"{}\"", statement);
  return out;
}

/// How to get in, by what PostgreSQL or the pooler said.
std::string way_in(const std::string& reason, const Findings& findings) {
  constexpr std::string_view kPoolMode =
      "sudoedit /etc/pgbouncer/pgbouncer.ini  # pool_mode = transaction for this database";
  constexpr std::pair<std::string_view, std::string_view> kWays[] = {
      {"statement pooling mode", kPoolMode},
      // libpqxx 6, when PgBouncer in statement mode has ended the connection at the first BEGIN.
      {"Could not obtain client encoding", kPoolMode},
      {"Peer authentication failed", "sudo -u calld callctl doctor"},
      {"role \"root\" does not exist", "sudo -u calld callctl doctor"},
      {"role \"", "sudo -u postgres createuser --createrole calld"},
      {"database \"",
       "sudo -u postgres createdb --owner calld calld && sudo -u calld callctl db migrate"}};
  for (const auto& [words, way] : kWays) {
    if (reason.find(words) != std::string::npos) return std::string(way);
  }
  if (reason.find("password authentication failed") != std::string::npos)
    return findings.edit("correct the password in database.url");
  return "systemctl start postgresql  # or set database.url; for a trial: calld up";
}

/// Session and transaction mode do; what a pooler does not pass on is the time limit that calld asks for.
void check_pooler(const store::ServerFacts& facts, Findings& findings) {
  if (!facts.pooled) return;
  if (facts.statement_timeout.count() == 0) {
    findings.warning("postgresql pooler",
                     "a pooler stands in between and drops the time limit of statements: one that "
                     "hangs would hold its caller for ever",
                     as_postgres({"ALTER ROLE calld SET statement_timeout = '30s'"}) +
                         "  # then RECONNECT in PgBouncer's console");
  } else {
    findings.ok("postgresql pooler",
                fmt::format("a pooler stands in between; statements end after {} s",
                            facts.statement_timeout.count() / 1000));
  }
}

/// A standby that a commit does not wait for may be promoted without it: then calld calls somebody twice. One that
/// commits wait for and that is not there stops everything.
void check_replication(const store::ServerFacts& facts, Findings& findings) {
  const std::string check = "postgresql replication";
  const auto in_step = facts.standbys_in_step.value_or(facts.standbys);
  if (facts.standby) return;
  if (facts.standby_names.empty() && facts.standbys > 0) {
    findings.error(check,
                   fmt::format("{} standby(s), none synchronous: a fail-over forgets calls that "
                               "were placed, and they would be placed again",
                               facts.standbys),
                   as_postgres({"ALTER SYSTEM SET synchronous_standby_names = '*'",
                                "SELECT pg_reload_conf()"}));
  } else if (facts.standby_names.empty()) {
    findings.ok(check, "no standby");
  } else if (in_step == 0) {
    findings.error(check,
                   fmt::format("every commit waits for a standby ({}), and none is in step: "
                               "nothing is dialed until one is back, or is waited for no more",
                               facts.standby_names),
                   as_postgres({"ALTER SYSTEM SET synchronous_standby_names = ''",
                                "SELECT pg_reload_conf()"}) +
                       "  # if it will not be back soon; never fail over to it then");
  } else {
    findings.ok(check, fmt::format("{} synchronous standby(s)", in_step));
  }
}

void check_settings(const store::ServerFacts& facts, Findings& findings) {
  if (facts.version < kOldestPostgres) {
    findings.error("postgresql version", facts.version_text + " is older than 13",
                   "apt-get install postgresql  # upgrade PostgreSQL, then pg_upgradecluster");
  } else {
    findings.ok("postgresql version", facts.version_text);
  }
  if (facts.standby) {
    findings.error("postgresql role", "a standby takes no changes",
                   findings.edit("let database.url name the primary, or all servers and "
                                 "target_session_attrs=read-write"));
  }
  if (facts.synchronous_commit == "off" || facts.synchronous_commit == "local") {
    findings.error(
        "postgresql synchronous_commit",
        fmt::format("{}: a {} forgets calls that were placed, and they would be placed again",
                    facts.synchronous_commit,
                    facts.synchronous_commit == "off" ? "crash" : "fail-over to a standby"),
        as_postgres({"ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()"}));
  } else {
    findings.ok("postgresql synchronous_commit", facts.synchronous_commit);
  }
  if (!facts.fsync || !facts.full_page_writes) {
    findings.error(
        "postgresql durability",
        fmt::format("{} is off: a power failure can destroy the database",
                    facts.fsync ? "full_page_writes" : "fsync"),
        as_postgres({"ALTER SYSTEM SET fsync = on", "ALTER SYSTEM SET full_page_writes = on",
                     "SELECT pg_reload_conf()"}));
  }
  check_replication(facts, findings);
  check_pooler(facts, findings);
  const bool crowded = facts.connections * 10 > facts.connections_max * 8;
  const auto use =
      fmt::format("{} of {} connections in use", facts.connections, facts.connections_max);
  if (crowded) {
    findings.warning("postgresql connections", use,
                     as_postgres({"ALTER SYSTEM SET max_connections = 200"}) +
                         " && systemctl restart postgresql  # or a lower database.pool_size and "
                         "worker.concurrency");
  } else {
    findings.ok("postgresql connections", use);
  }
}

void check_contents(Session& session, store::Connection& connection, Findings& findings) {
  const auto tenant = session.tenant();
  if (tenant) {
    findings.ok("tenant", tenant->name);
  } else {
    findings.error("tenant", tenant.error().context,
                   "callctl tenant create " + shell_word(session.options.tenant));
  }
  const auto plan = store::cleanup_plan(connection, {});
  if (!plan) {
    findings.error("leftovers", plan.error().context, "callctl cleanup plan");
  } else if (plan->found.empty()) {
    findings.ok("leftovers", "nothing to put right");
  } else {
    findings.warning("leftovers",
                     fmt::format("{} thing(s) left by a dead process", plan->found.size()),
                     "callctl cleanup plan && callctl cleanup run");
  }
  const auto abandoned = store::abandoned_attempts(connection);
  if (abandoned && *abandoned > 0)
    findings.warning("attempts",
                     fmt::format("{} abandoned: nobody knows whether a call was made", *abandoned),
                     "callctl attempt ls --state abandoned, then callctl attempt resolve");
}

/// The value behind "name:" in the text of INFO.
std::string_view info(std::string_view text, std::string_view name) {
  for (auto line : split(text, '\n')) {
    line = trim(line);
    if (line.starts_with(name) && line.substr(name.size()).starts_with(':'))
      return line.substr(name.size() + 1);
  }
  return {};
}

void check_redis_settings(std::string_view text, Findings& findings) {
  const auto version = info(text, "redis_version");
  const auto major = parse_number<int>(split(version, '.').front());
  if (!major || *major < kOldestRedis) {
    findings.error("redis version", fmt::format("{} is older than {}", version, kOldestRedis),
                   "apt-get install redis-server  # upgrade Redis");
  } else {
    findings.ok("redis version", std::string(version));
  }
  if (info(text, "role") == "slave") {
    findings.error("redis role", "a replica takes no changes",
                   findings.edit("let redis.url name the master"));
  }
  const auto policy = info(text, "maxmemory_policy");
  if (policy != "noeviction") {
    findings.warning(
        "redis eviction",
        fmt::format("maxmemory-policy is {}: jobs may vanish when memory is short", policy),
        "redis-cli config set maxmemory-policy noeviction; redis-cli config rewrite");
  } else {
    findings.ok("redis eviction", "noeviction");
  }
  if (info(text, "aof_enabled") == "0") {
    findings.warning("redis persistence",
                     "appendonly is off: after a crash calld's jobs are rebuilt from PostgreSQL, "
                     "Python's are lost",
                     "redis-cli config set appendonly yes; redis-cli config rewrite");
  } else {
    findings.ok("redis persistence", "appendonly is on");
  }
  for (const auto* state : {"rdb_last_bgsave_status", "aof_last_write_status"}) {
    if (const auto value = info(text, state); value == "err") {
      findings.error(
          "redis persistence",
          fmt::format("{} is err: Redis cannot write its data and may refuse changes", state),
          "redis-cli config get dir  # make room on that disk; why it failed is in Redis's log");
    }
  }
}

void check_workers(redis::Connection& redis, Findings& findings) {
  const auto workers = rq::workers(redis, service_deadline());
  if (!workers) {
    findings.error("workers", workers.error().context, "callctl worker ls");
  } else if (workers->empty()) {
    findings.error("workers", "no worker is registered: nothing will be dialed",
                   "systemctl start calld-worker@main  # without systemd: calld worker");
  } else {
    findings.ok("workers", fmt::format("{} worker slot(s)", workers->size()));
  }
}

}  // namespace

void check_clock(Findings& findings, const std::string& check, WallTime theirs,
                 milliseconds precision) {
  constexpr milliseconds kTolerable{2000};
  constexpr milliseconds kHarmful{60000};
  const auto apart = std::chrono::duration_cast<milliseconds>(wall_now() - theirs);
  const auto distance = std::chrono::abs(apart) - precision;
  const auto text = fmt::format("{} ms {}", std::chrono::abs(apart).count(),
                                apart.count() < 0 ? "ahead of ours" : "behind ours");
  const std::string repair = "timedatectl set-ntp true  # on both machines";
  if (distance > kHarmful) {
    findings.error(check, text + ": calling hours, tokens and signatures go wrong", repair);
  } else if (distance > kTolerable) {
    findings.warning(check, text, repair);
  } else {
    findings.ok(check, "agrees with ours");
  }
}

void check_postgresql(Session& session, Findings& findings) {
  auto connection = session.database_any_schema();
  // Not opened alone: a pooler that takes a connection may not take a transaction.
  const Status usable = connection ? (**connection).ping() : Status(connection.error());
  if (!usable) {
    const auto& reason = usable.error().context;
    findings.error("postgresql", reason, way_in(reason, findings));
    return;
  }
  findings.ok("postgresql", "reachable");
  const auto schema = store::require_schema(**connection);
  if (!schema) {
    const auto& reason = schema.error().context;
    const bool older = reason.find("callctl db migrate") != std::string::npos;
    findings.error("schema", reason,
                   older ? "callctl db migrate" : "apt-get install --only-upgrade calld callctl");
    return;  // what follows reads tables
  }
  findings.ok("schema", fmt::format("version {}", store::schema_version()));
  if (const auto facts = store::server_facts(**connection)) {
    check_settings(*facts, findings);
    check_clock(findings, "clock of postgresql", facts->now, milliseconds(100));
  } else {
    findings.error("postgresql", facts.error().context,
                   "tail -n 50 /var/log/postgresql/*.log  # on the machine of PostgreSQL");
  }
  check_contents(session, **connection, findings);
}

void check_redis(Session& session, Findings& findings) {
  auto redis = session.redis();
  if (!redis) {
    const auto& reason = redis.error().context;
    const bool refused =
        reason.find("NOAUTH") != std::string::npos || reason.find("WRONGPASS") != std::string::npos;
    findings.error("redis", reason,
                   refused ? findings.edit("correct the password in redis.url")
                           : "systemctl start redis-server  # or set redis.url");
    return;
  }
  findings.ok("redis", "reachable");
  const auto text = (*redis)->command(redis::cmd("INFO"), service_deadline());
  if (text) {
    check_redis_settings(text->text, findings);
  } else {
    findings.warning("redis version", text.error().context,
                     "redis-cli acl setuser default +info  # or whom redis.url names");
  }
  const auto now = (*redis)->command(redis::cmd("TIME"), service_deadline());
  if (now && now->items.size() == 2) {
    const auto seconds = parse_number<std::int64_t>(now->items[0].text).value_or(0);
    check_clock(findings, "clock of redis", WallTime(std::chrono::seconds(seconds)),
                milliseconds(1000));
  }
  check_workers(**redis, findings);
}

}  // namespace call::cmd::doctor
