#include "core/local/postgres.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "tests/support/scratch_dir.hpp"
#include "tests/support/servers.hpp"

using namespace call;
using namespace call::local;
namespace fs = std::filesystem;

namespace {

Deadline soon() {
  return Deadline::after(std::chrono::seconds(60));
}

PostgresOptions in(const fs::path& dir) {
  PostgresOptions options;
  options.dir = dir;
  options.durable = false;
  return options;
}

}  // namespace

TEST_CASE("local.postgres: a new directory becomes a server, and a second start keeps the data") {
  const support::ScratchDir dir;
  std::uint16_t port = 0;
  {
    auto server = Postgres::start(in(dir.path() / "pg"), soon());
    INFO((server.ok() ? "" : server.error().to_string()));
    REQUIRE(server.ok());
    port = (*server)->port();
    support::sql((*server)->url(), "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");
    CHECK(support::sql_value((*server)->url(), "SHOW server_encoding") == "UTF8");
    CHECK(support::sql_value((*server)->url(), "SHOW listen_addresses") == "127.0.0.1");
    CHECK((*server)->stop(soon()).ok());
    CHECK_FALSE((*server)->running());
  }
  auto again = Postgres::start(in(dir.path() / "pg"), soon());
  REQUIRE(again.ok());
  CHECK((*again)->port() == port);
  CHECK(support::sql_value((*again)->url(), "SELECT n FROM kept") == "42");
}

TEST_CASE("local.postgres: a crash leaves a stale pid file, and the next start recovers") {
  const support::ScratchDir dir;
  auto options = in(dir.path() / "pg");
  options.durable = true;
  {
    auto server = Postgres::start(options, soon());
    REQUIRE(server.ok());
    support::sql((*server)->url(), "CREATE TABLE kept (n int)");
    kill((*server)->pid(), SIGKILL);
  }
  const auto pid_file = dir.path() / "pg/data/postmaster.pid";
  REQUIRE(fs::exists(pid_file));
  // The worst stale file: its number belongs to somebody else now. This test's own process will do.
  const auto text = read_file(pid_file);
  REQUIRE(text.ok());
  const std::string rest = text->substr(text->find('\n'));
  REQUIRE(write_file_atomic(pid_file, std::to_string(getpid()) + rest, 0600).ok());
  auto again = Postgres::start(options, soon());
  INFO((again.ok() ? "" : again.error().to_string()));
  REQUIRE(again.ok());
  CHECK(support::sql_value((*again)->url(), "SELECT count(*) FROM kept") == "0");
}

TEST_CASE("local.postgres: a directory in use is refused in one sentence") {
  const support::ScratchDir dir;
  auto server = Postgres::start(in(dir.path() / "pg"), soon());
  REQUIRE(server.ok());
  const auto second = Postgres::start(in(dir.path() / "pg"), soon());
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == Errc::conflict);
  CHECK(second.error().context.find("in use") != std::string::npos);
  CHECK((*server)->running());
}

TEST_CASE("local.postgres: a port taken meanwhile is replaced") {
  const support::ScratchDir dir;
  auto holder = Postgres::start(in(dir.path() / "holder"), soon());
  REQUIRE(holder.ok());
  fs::create_directories(dir.path() / "pg");
  const std::string taken = std::to_string((*holder)->port());
  REQUIRE(write_file_atomic(dir.path() / "pg/port", taken).ok());
  auto server = Postgres::start(in(dir.path() / "pg"), soon());
  REQUIRE(server.ok());
  CHECK((*server)->port() != (*holder)->port());
}

TEST_CASE("local.postgres: a half-made cluster is made again") {
  const support::ScratchDir dir;
  fs::create_directories(dir.path() / "pg/data.new/base");
  auto server = Postgres::start(in(dir.path() / "pg"), soon());
  REQUIRE(server.ok());
  CHECK_FALSE(fs::exists(dir.path() / "pg/data.new"));
}

TEST_CASE("local.postgres: a directory that the server's user cannot reach is refused", "[root]") {
  if (geteuid() != 0) return;  // only root steps down
  const support::ScratchDir dir;
  const auto closed = dir.path() / "closed";
  fs::create_directories(closed / "pg");
  fs::permissions(closed, fs::perms(0700));
  const auto server = Postgres::start(in(closed / "pg"), soon());
  REQUIRE_FALSE(server.ok());
  CHECK(server.error().code == Errc::permission);
  CHECK(server.error().context.find(closed.string() + " is closed") != std::string::npos);
  CHECK(server.error().context.find("--state-dir") != std::string::npos);
}

TEST_CASE("local.postgres: databases are made empty or as copies, once") {
  auto& server = support::postgres();
  REQUIRE(server.create_database("original").ok());
  support::sql(server.url("original"), "CREATE TABLE here (n int)");
  CHECK(server.create_database("copied", "original").ok());
  CHECK(support::sql_value(server.url("copied"), "SELECT count(*) FROM here") == "0");
  CHECK(server.create_database("copied").error().code == Errc::conflict);
  CHECK(server.create_database("bad-name; DROP").error().code == Errc::invalid_argument);
}
