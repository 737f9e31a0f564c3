// Order is everything here. Up: servers, schema, configuration, then the roles, the carrier first.
// Down: no new calls (worker), let calls end (media), let their webhooks arrive (sim, then api),
// and only then the servers.
#include "daemon/up.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/base/guarded.hpp"
#include "core/control/control.hpp"
#include "core/json/json.hpp"
#include "core/local/postgres.hpp"
#include "core/local/redis.hpp"
#include "core/log/log.hpp"
#include "core/runtime/shutdown.hpp"
#include "core/store/migrate.hpp"
#include "core/store/tenants.hpp"
#include "daemon/addresses.hpp"
#include "daemon/state_dir.hpp"
#include "daemon/supervisor.hpp"
#include "daemon/wiring.hpp"

namespace call::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPostgresStart{120};  // the first start makes the cluster
constexpr seconds kRedisStart{30};
constexpr seconds kRolesStart{90};
constexpr seconds kServerStop{30};
constexpr seconds kServerRetry{10};
constexpr milliseconds kTick{250};
constexpr int kTicksPerReadiness = 8;

class Up {
 public:
  explicit Up(StateDir dir) : dir_(std::move(dir)) {}
  ~Up() { take_down(); }

  Status bring_up(const UpOptions& options);
  /// Until told to end.
  void watch();

 private:
  Status open_control();
  Status prepare_config(const UpOptions& options);
  Status start_postgres();
  Status start_redis();
  Status prepare_database();
  Status start_roles();
  Status wait_until_ready();
  void keep_servers();
  void publish(std::string_view state);
  bool all_ready();
  void say_where() const;
  bool pause(milliseconds span);  ///< false: told to end
  void take_down();

  const StateDir dir_;
  runtime::Shutdown shutdown_;  // before everything that has threads
  std::unique_ptr<log::Session> log_session_;
  const log::Logger log_{"daemon"};
  Guarded<Json> status_;
  std::unique_ptr<control::Server> control_;
  config::Config config_;
  std::unique_ptr<local::Postgres> postgres_;
  std::unique_ptr<local::Redis> redis_;
  std::unique_ptr<Supervisor> roles_;
  Deadline retry_servers_ = Deadline::after(milliseconds(0));
  bool ending_ = false;
};

Status Up::bring_up(const UpOptions& options) {
  CALL_CHECK(make_directories(dir_));
  CALL_CHECK(open_control());
  CALL_CHECK(prepare_config(options));
  CALL_TRY(auto session, log::setup(config::log_options(config_.log)));
  log_session_ = std::make_unique<log::Session>(std::move(session));
  CALL_CHECK(settle_addresses(config_, options.free_ports));
  CALL_CHECK(start_postgres());
  CALL_CHECK(start_redis());
  CALL_CHECK(write_config(dir_, config_));
  CALL_CHECK(prepare_database());
  CALL_CHECK(start_roles());
  CALL_CHECK(wait_until_ready());
  publish("ready");
  say_where();
  return {};
}

// The control socket is the lock of the state directory, too.
Status Up::open_control() {
  publish("starting");
  control::Handlers handlers;
  handlers["status"] = [this](const Json&) -> Result<Json> {
    return status_.with([](const Json& status) { return status; });
  };
  auto server = control::Server::listen(dir_.control_socket(), std::move(handlers));
  if (!server && server.error().code == Errc::conflict) {
    return Error{Errc::conflict,
                 fmt::format("the state directory {0} is in use ({1}): stop that calld with `calld "
                             "up --state-dir {0} --stop`, or choose another directory",
                             dir_.root.string(), server.error().context)};
  }
  if (!server) return std::move(server).error();
  control_ = *std::move(server);
  return {};
}

Status Up::prepare_config(const UpOptions& options) {
  CALL_TRY(config_, make_config(dir_, options.settings));
  clear_environment();
  return {};
}

Status Up::start_postgres() {
  log_.info("starting PostgreSQL in {}", (dir_.root / "postgres").string());
  local::PostgresOptions options;
  options.dir = dir_.root / "postgres";
  CALL_TRY(postgres_, local::Postgres::start(options, Deadline::after(kPostgresStart)));
  config_.database.url = postgres_->url();
  return {};
}

Status Up::start_redis() {
  log_.info("starting Redis in {}", (dir_.root / "redis").string());
  local::RedisOptions options;
  options.dir = dir_.root / "redis";
  CALL_TRY(redis_, local::Redis::start(options, Deadline::after(kRedisStart)));
  config_.redis.url = redis_->url();
  return {};
}

Status Up::prepare_database() {
  CALL_TRY(auto connection, store::Connection::open(store_options(config_, "up")));
  CALL_TRY(const auto applied, store::migrate(connection));
  if (!applied.empty()) log_.info("applied {} migrations", applied.size());
  const auto token_file = dir_.secret("api_token");
  std::error_code ignored;
  if (std::filesystem::exists(token_file, ignored)) return {};
  CALL_TRY(const auto tenant, store::find_tenant(connection, "default"));
  CALL_TRY(const auto token, store::create_token(connection, tenant.id, "calld up"));
  return write_secret(token_file, token);
}

Status Up::start_roles() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return Error{Errc::io, "cannot find my own program: " + error.message()};
  roles_ = std::make_unique<Supervisor>(program, dir_.config_file(), dir_.root / "log");
  const std::array<RoleSpec, 4> specs = {{
      {"sim", config_.sim.listen, seconds(10)},
      {"media", config_.media.listen, config_.media.drain_timeout + seconds(10)},
      {"worker", config_.worker.listen, seconds(40)},
      {"api", config_.api.listen, seconds(15)},
  }};
  for (const auto& spec : specs) CALL_CHECK(roles_->start(spec));
  return {};
}

bool Up::all_ready() {
  roles_->ask_readiness();
  for (const auto& role : roles_->states()) {
    if (!role.ready) return false;
  }
  return true;
}

Status Up::wait_until_ready() {
  const auto deadline = Deadline::after(kRolesStart);
  while (!all_ready()) {
    if (const auto death = roles_->first_death()) return Error{Errc::unavailable, *death};
    if (deadline.passed()) {
      return Error{Errc::timeout, fmt::format("not every role became ready in {} s: see {}",
                                              kRolesStart.count(), (dir_.root / "log").string())};
    }
    if (!pause(kTick)) return Error{Errc::cancelled, "told to end while starting"};
  }
  return {};
}

bool Up::pause(milliseconds span) {
  const auto event = shutdown_.wait(Deadline::after(span));
  if (event == runtime::Shutdown::Event::reload) roles_->signal_all(SIGHUP);
  if (event == runtime::Shutdown::Event::drain) ending_ = true;
  return !ending_;
}

void Up::watch() {
  for (int tick = 0; pause(kTick); ++tick) {
    keep_servers();
    roles_->tick();
    if (tick % kTicksPerReadiness == 0) publish(all_ready() ? "ready" : "degraded");
  }
  log_.info("told to end: stopping everything in order (a second signal ends it at once)");
  publish("stopping");
}

// The roles wait for a server that is away and find it at the same port.
void Up::keep_servers() {
  if (!retry_servers_.passed()) return;
  const bool postgres_lives = postgres_ && postgres_->running();
  const bool redis_lives = redis_ && redis_->running();
  if (postgres_lives && redis_lives) return;
  retry_servers_ = Deadline::after(kServerRetry);
  Status started;
  if (!postgres_lives) {
    log_.error("PostgreSQL has ended");
    postgres_.reset();
    started = start_postgres();
  }
  if (started && !redis_lives) {
    log_.error("Redis has ended");
    redis_.reset();
    started = start_redis();
  }
  if (!started) log_.error("it cannot be started again: {}", started.error().to_string());
}

void Up::publish(std::string_view state) {
  Json states = Json::object();
  if (roles_) {
    for (const auto& role : roles_->states()) {
      states[role.name] = {{"address", role.address},
                           {"pid", role.pid},
                           {"running", role.running},
                           {"ready", role.ready},
                           {"restarts", role.restarts}};
    }
  }
  Json fresh{{"state", state},
             {"pid", ::getpid()},
             {"config", dir_.config_file().string()},
             {"roles", std::move(states)}};
  status_.with([&](Json& status) { status = std::move(fresh); });
}

void Up::say_where() const {
  const bool simulated = config_.carrier.base_url == url_of("http", config_.sim.listen);
  fmt::print("calld is up, in {}\n", dir_.root.string());
  fmt::print("  API       {}  (token in {})\n", config_.api.public_url,
             dir_.secret("api_token").string());
  fmt::print("  media     {}\n", config_.media.public_url);
  fmt::print("  carrier   {}{}\n", config_.carrier.base_url,
             simulated ? "  (simulated)" : "  REAL CALLS");
  fmt::print("  logs      {}\n", (dir_.root / "log").string());
  fmt::print("  records   {}\n", config_.worker.records_dir.string());
  fmt::print("Use it from another terminal:\n  export CALLD_CONFIG={}\n",
             dir_.config_file().string());
  std::fflush(stdout);
}

void Up::take_down() {
  if (roles_) {
    for (const char* role : {"worker", "media", "sim", "api"}) roles_->stop(role);
  }
  const auto deadline = Deadline::after(kServerStop);
  if (redis_ && !redis_->stop(deadline)) log_.warn("Redis did not end in time");
  if (postgres_ && !postgres_->stop(deadline)) log_.warn("PostgreSQL did not end in time");
}

}  // namespace

Status run_up(const UpOptions& options) {
  std::error_code error;
  const auto root = std::filesystem::absolute(options.state_dir, error).lexically_normal();
  if (error) return Error{Errc::io, options.state_dir.string() + ": " + error.message()};
  Up up(StateDir{root});
  CALL_CHECK(up.bring_up(options));
  up.watch();
  return {};
}

}  // namespace call::daemon
