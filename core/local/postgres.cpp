#include "core/local/postgres.hpp"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/affinity.hpp"
#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "core/local/process.hpp"
#include "core/local/server_dir.hpp"
#include "core/log/log.hpp"

namespace call::local {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUser = "calld";
constexpr const char* kPackage = "postgresql";

/// The directory with initdb, postgres and psql. Debian keeps one for each major version, outside
/// PATH. A cluster runs only under the version that made it, so `version` (empty: the newest)
/// decides.
Result<fs::path> find_binaries(const std::string& version) {
  std::vector<std::pair<int, fs::path>> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const auto number = parse_number<int>(entry.path().filename().string());
    if (number && fs::exists(entry.path() / "bin/initdb")) {
      found.emplace_back(*number, entry.path() / "bin");
    }
  }
  std::sort(found.rbegin(), found.rend());
  for (const auto& [number, path] : found) {
    if (version.empty() || std::to_string(number) == version) return path;
  }
  if (const auto initdb = find_program("initdb", kPackage)) return initdb->parent_path();
  if (version.empty()) {
    return Error{Errc::not_found, "postgres not found: apt-get install postgresql"};
  }
  return Error{Errc::not_found, "PostgreSQL " + version +
                                    ", which made this state directory, is not installed: apt-get "
                                    "install postgresql-" +
                                    version};
}

/// Into a directory beside, then renamed: a crash half-way leaves nothing that looks like a
/// cluster.
Status init_cluster(const ServerDir& dir, const fs::path& binaries, bool durable,
                    Deadline deadline) {
  const auto fresh = dir.path() / "data.new";
  std::error_code error;
  fs::remove_all(fresh, error);
  CALL_CHECK(dir.make_directory(fresh));
  CALL_CHECK(dir.password());
  ChildOptions options;
  options.argv = {(binaries / "initdb").string(),
                  "--pgdata=" + fresh.string(),
                  "--username=" + std::string(kUser),
                  "--pwfile=" + (dir.path() / "password").string(),
                  "--auth=scram-sha-256",
                  "--encoding=UTF8",
                  "--locale=C.UTF-8",
                  "--no-instructions"};
  if (!durable) options.argv.push_back("--no-sync");
  options.user = dir.user();
  options.directory = fresh;
  CALL_CHECK(run(options, deadline)
                 .with_context("cannot make a PostgreSQL cluster in " + dir.path().string()));
  fs::rename(fresh, dir.data(), error);
  if (error) return Error{Errc::io, "cannot rename " + fresh.string() + ": " + error.message()};
  return {};
}

std::vector<std::string> server_arguments(const ServerDir& dir, const fs::path& binaries,
                                          const PostgresOptions& options, std::uint16_t port) {
  std::vector<std::string> argv = {(binaries / "postgres").string(), "-D", dir.data().string()};
  const auto set = [&](const std::string& assignment) {
    argv.push_back("-c");
    argv.push_back(assignment);
  };
  set("listen_addresses=127.0.0.1");
  set("port=" + std::to_string(port));
  set("unix_socket_directories=");
  set("max_connections=" + std::to_string(options.max_connections));
  set("log_line_prefix=%m [%p] ");
  set("log_timezone=UTC");
  set("timezone=UTC");
  if (!options.durable) {
    set("fsync=off");
    set("full_page_writes=off");
    set("synchronous_commit=off");
  }
  return argv;
}

/// What pg_ctl looks at: the eighth line of postmaster.pid says "ready" once connections are
/// accepted.
bool is_ready(const fs::path& pid_file, pid_t pid) {
  const auto text = read_file(pid_file, 4096);
  if (!text) return false;
  const auto lines = split(*text, '\n');
  return lines.size() >= 8 && trim(lines[0]) == std::to_string(pid) && trim(lines[7]) == "ready";
}

/// A start that failed because of something that goes away by itself.
bool worth_another_try(const std::string& log_tail) {
  return log_tail.find("could not bind") != std::string::npos ||
         log_tail.find("shared memory block") != std::string::npos ||
         log_tail.find("could not create any TCP/IP sockets") != std::string::npos;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() < 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

struct Postgres::Impl {
  PostgresOptions options;
  ServerDir dir;
  fs::path binaries;
  std::string password;
  std::uint16_t port = 0;
  std::optional<Child> server;
  log::Logger log{"local"};

  Impl(PostgresOptions chosen, ServerDir opened, fs::path found)
      : options(std::move(chosen)), dir(std::move(opened)), binaries(std::move(found)) {}

  fs::path pid_file() const { return dir.data() / "postmaster.pid"; }

  /// Errc::unavailable: worth another try.
  Status launch(Deadline deadline) {
    CALL_CHECK(dir.end_orphan(pid_file(), SIGQUIT));
    CALL_TRY(port, dir.choose_port());
    ChildOptions child;
    child.argv = server_arguments(dir, binaries, options, port);
    child.environment = {{"LC_ALL", "C.UTF-8"}};
    child.directory = dir.data();
    child.output = dir.log();
    child.user = dir.user();
    child.death_signal = SIGINT;  // fast shutdown
    CALL_TRY(server, Child::start(child));
    while (!is_ready(pid_file(), server->pid())) {
      if (server->wait(Deadline::after(std::chrono::milliseconds(20))).ok()) {
        const std::string tail = dir.log_tail();
        return Error{worth_another_try(tail) ? Errc::unavailable : Errc::io,
                     "PostgreSQL did not start: " + tail};
      }
      if (deadline.passed()) {
        server->stop(SIGQUIT, Deadline::after(std::chrono::seconds(2)));
        return Error{Errc::timeout, "PostgreSQL is not ready in time: " + dir.log_tail()};
      }
    }
    return {};
  }
};

Postgres::Postgres(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Postgres::~Postgres() {
  if (running() && !stop(Deadline::after(std::chrono::seconds(5))).ok()) {
    impl_->log.warn("PostgreSQL in {} had to be killed", impl_->dir.path().string());
  }
}

Result<std::unique_ptr<Postgres>> Postgres::start(const PostgresOptions& options,
                                                  Deadline deadline) {
  assert_may_block("Postgres::start");
  CALL_TRY(auto user, service_user({"postgres", "nobody"}));
  CALL_TRY(auto dir, ServerDir::open(options.dir, std::move(user)));
  const bool exists = fs::exists(dir.data() / "PG_VERSION");
  std::string version;
  if (exists) {
    CALL_TRY(const std::string text, read_file(dir.data() / "PG_VERSION", 64));
    version = trim(text);
  }
  CALL_TRY(auto binaries, find_binaries(version));
  if (!exists) CALL_CHECK(init_cluster(dir, binaries, options.durable, deadline));

  auto impl = std::make_unique<Impl>(options, std::move(dir), std::move(binaries));
  CALL_TRY(impl->password, impl->dir.password());
  auto launched = impl->launch(deadline);
  while (!launched && launched.error().code == Errc::unavailable && !deadline.passed()) {
    pause_for(std::chrono::milliseconds(200));
    launched = impl->launch(deadline);
  }
  CALL_CHECK(std::move(launched));

  std::unique_ptr<Postgres> out(new Postgres(std::move(impl)));
  const auto made = out->create_database(options.database);
  if (!made && made.error().code != Errc::conflict) return made.error();
  out->impl_->log.info("PostgreSQL runs on port {} in {}", out->port(), options.dir.string());
  return out;
}

std::string Postgres::url() const {
  return url(impl_->options.database);
}

std::string Postgres::url(std::string_view database) const {
  return "postgresql://" + std::string(kUser) + ":" + impl_->password +
         "@127.0.0.1:" + std::to_string(impl_->port) + "/" + std::string(database);
}

std::uint16_t Postgres::port() const {
  return impl_->port;
}
pid_t Postgres::pid() const {
  return impl_->server->pid();
}
bool Postgres::running() {
  return impl_->server && impl_->server->running();
}

Status Postgres::create_database(std::string_view name, std::string_view copy_of) {
  if (!is_plain_name(name) || !is_plain_name(copy_of)) {
    return Error{Errc::invalid_argument, "a database name is made of [a-z0-9_]"};
  }
  ChildOptions psql;
  psql.argv = {(impl_->binaries / "psql").string(),
               "-X",
               "-q",
               "-v",
               "VERBOSITY=sqlstate",
               "-h",
               "127.0.0.1",
               "-p",
               std::to_string(impl_->port),
               "-U",
               std::string(kUser),
               "-d",
               "postgres",
               "-c",
               "CREATE DATABASE " + std::string(name) + " TEMPLATE " + std::string(copy_of)};
  psql.environment = {{"PGPASSWORD", impl_->password}, {"LC_ALL", "C.UTF-8"}};
  auto made = run(psql, Deadline::after(std::chrono::seconds(60)));
  if (!made && made.error().context.find("42P04") != std::string::npos) {
    return Error{Errc::conflict, "the database " + std::string(name) + " exists"};
  }
  return made;
}

Status Postgres::stop(Deadline deadline) {
  if (!running()) return {};
  if (impl_->server->stop(SIGINT, deadline)) return {};
  return Error{Errc::timeout, "PostgreSQL did not stop in time and was killed"};
}

}  // namespace call::local
