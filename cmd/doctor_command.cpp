// callctl doctor: what would keep this installation from calling, and the command that mends it.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "core/base/strings.hpp"
#include "core/control/control.hpp"
#include "core/rq/reads.hpp"
#include "core/store/cleanup.hpp"
#include "core/store/migrate.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct NoOptions {};

constexpr std::uintmax_t kLeastFreeBytes = 1ULL << 30;

/// One finding; severity is ok, warning or error.
struct Finding {
  std::string check;
  std::string severity;
  std::string detail;
  std::string repair;
};

using Findings = std::vector<Finding>;

void check_database(Session& session, Findings& findings) {
  auto connection = session.database_any_schema();
  if (!connection) {
    findings.push_back({"postgresql", "error", connection.error().context,
                        "start PostgreSQL, or set database.url; for a trial: calld up"});
    return;
  }
  findings.push_back({"postgresql", "ok", "reachable", ""});
  const auto schema = store::require_schema(**connection);
  if (!schema) {
    findings.push_back({"schema", "error", schema.error().context, "callctl db migrate"});
    return;
  }
  findings.push_back({"schema", "ok", fmt::format("version {}", store::schema_version()), ""});
  const auto tenant = session.tenant();
  if (tenant) {
    findings.push_back({"tenant", "ok", tenant->name, ""});
  } else {
    findings.push_back({"tenant", "error", tenant.error().context,
                        "callctl tenant create " + session.options.tenant});
  }
  const auto plan = store::cleanup_plan(**connection, {});
  if (plan && plan->found.empty()) {
    findings.push_back({"leftovers", "ok", "nothing to put right", ""});
  } else if (plan) {
    findings.push_back({"leftovers", "warning",
                        fmt::format("{} thing(s) left by a dead process", plan->found.size()),
                        "callctl cleanup plan, then callctl cleanup run"});
  }
}

/// The value behind `name:` in the text of INFO, or of a CONFIG GET answer.
Result<std::string> redis_setting(redis::Connection& redis, const std::string& name) {
  CALL_TRY(const auto reply, redis.command(redis::cmd("CONFIG", "GET", name), service_deadline()));
  return reply.items.size() == 2 ? reply.items[1].text : std::string();
}

void check_redis(Session& session, Findings& findings) {
  auto redis = session.redis();
  if (!redis) {
    findings.push_back({"redis", "error", redis.error().context, "start Redis, or set redis.url"});
    return;
  }
  findings.push_back({"redis", "ok", "reachable", ""});
  const auto policy = redis_setting(**redis, "maxmemory-policy");
  if (policy && *policy != "noeviction") {
    findings.push_back({"redis eviction", "warning",
                        fmt::format("maxmemory-policy is {}: jobs may vanish", *policy),
                        "redis-cli config set maxmemory-policy noeviction"});
  }
  const auto aof = redis_setting(**redis, "appendonly");
  if (aof && *aof == "no") {
    findings.push_back(
        {"redis persistence", "warning",
         "appendonly is off: after a restart jobs are rebuilt from PostgreSQL, Python's are lost",
         "redis-cli config set appendonly yes"});
  }
  const auto workers = rq::workers(**redis, service_deadline());
  if (workers && workers->empty()) {
    findings.push_back(
        {"workers", "error", "no worker is registered: nothing will be dialed", "calld worker"});
  } else if (workers) {
    findings.push_back({"workers", "ok", fmt::format("{} worker slot(s)", workers->size()), ""});
  }
}

void check_carrier(const config::Config& config, Findings& findings) {
  if (config.carrier.account_sid.empty()) {
    findings.push_back(
        {"carrier", "error", "carrier.account_sid is not set", "set it in the configuration file"});
    return;
  }
  const auto secret = config::read_secret(config.carrier.auth_token_file);
  if (!secret) {
    findings.push_back({"carrier", "error", secret.error().context, "set carrier.auth_token_file"});
    return;
  }
  findings.push_back(
      {"carrier", "ok", "account and token are set for " + config.carrier.base_url, ""});
  for (const auto& [key, url] : {std::pair("api.public_url", config.api.public_url),
                                 std::pair("media.public_url", config.media.public_url)}) {
    if (url.empty()) {
      findings.push_back({key, "error", "not set: the carrier cannot reach us",
                          "set it in the configuration file"});
    }
  }
}

void check_daemons(const config::Config& config, Findings& findings) {
  for (const auto* role : {"api", "worker", "media"}) {
    const auto socket = config.service.runtime_dir / (std::string(role) + ".sock");
    const auto answer = control::call(socket, {{"command", "ping"}}, service_deadline());
    if (answer) {
      findings.push_back({role, "ok", "running", ""});
    } else {
      findings.push_back(
          {role, "warning", "not running on this machine", fmt::format("calld {}", role)});
    }
  }
}

void check_disk(const config::Config& config, Findings& findings) {
  for (const auto& [key, dir] : {std::pair("media.spool_dir", config.media.spool_dir),
                                 std::pair("worker.records_dir", config.worker.records_dir)}) {
    std::error_code error;
    const auto space = std::filesystem::space(dir, error);
    if (error) {
      findings.push_back({key, "warning", fmt::format("{}: {}", dir.string(), error.message()),
                          fmt::format("mkdir -p {}", dir.string())});
    } else if (space.available < kLeastFreeBytes) {
      findings.push_back(
          {key, "warning", fmt::format("{} MiB free", space.available >> 20), "make room"});
    } else {
      findings.push_back({key, "ok", fmt::format("{} GiB free", space.available >> 30), ""});
    }
  }
}

Result<Exit> doctor(Session& session, const NoOptions&) {
  CALL_TRY(const auto* config, session.configuration());
  Findings findings;
  check_database(session, findings);
  check_redis(session, findings);
  check_carrier(*config, findings);
  check_daemons(*config, findings);
  check_disk(*config, findings);
  json rows = json::array();
  bool healthy = true;
  for (const auto& finding : findings) {
    healthy = healthy && finding.severity != "error";
    rows.push_back({{"check", finding.check},
                    {"severity", finding.severity},
                    {"detail", finding.detail},
                    {"repair", finding.repair}});
  }
  CALL_CHECK(session.show({{"check", "CHECK"},
                           {"severity", "SEVERITY"},
                           {"detail", "DETAIL", Align::left, true},
                           {"repair", "TO MEND IT", Align::left, true}},
                          rows));
  return healthy ? kDone : kFailed;
}

}  // namespace

void add_doctor_command(CLI::App& app, Session& session) {
  add_command<NoOptions>(
      app, session, "doctor",
      "Check this installation; exit 1 when something would keep it from calling",
      [](CLI::App&, NoOptions&) {}, doctor);
}

}  // namespace call::cmd
