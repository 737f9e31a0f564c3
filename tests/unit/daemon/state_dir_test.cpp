#include "daemon/state_dir.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/files.hpp"
#include "core/base/scope_exit.hpp"
#include "tests/support/scratch_dir.hpp"

namespace call::daemon {
namespace {

mode_t mode_of(const Path& path) {
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777;
}

TEST_CASE("daemon.state_dir: secrets are made once and are the owner's alone") {
  const support::ScratchDir scratch;
  const StateDir dir{scratch.path() / "state"};
  REQUIRE(make_directories(dir).ok());
  const auto first = keep_secret(dir.secret("auth_token"), "", 16);
  REQUIRE(first.ok());
  CHECK(first->size() == 32);
  CHECK(keep_secret(dir.secret("auth_token"), "", 16).value() == *first);
  CHECK(mode_of(dir.secret("auth_token")) == 0600);
  CHECK(mode_of(dir.root / "secrets") == 0700);
}

TEST_CASE("daemon.state_dir: what is written is what the roles will read") {
  const support::ScratchDir scratch;
  const StateDir dir{scratch.path() / "state"};
  REQUIRE(make_directories(dir).ok());
  auto made = make_config(dir, {{"worker.name", "w1", "--set worker.name"}});
  REQUIRE(made.ok());
  made->database.url = "postgresql://calld:secret@127.0.0.1:5/calld";
  REQUIRE(write_config(dir, *made).ok());
  CHECK(mode_of(dir.config_file()) == 0600);
  const auto loaded =
      config::load({dir.config_file(), {}, [](const std::string&) { return std::nullopt; }});
  REQUIRE(loaded.ok());
  const auto& config = loaded->config;
  CHECK(config.database.url == "postgresql://calld:secret@127.0.0.1:5/calld");
  CHECK(config.worker.name == "w1");
  CHECK(config.media.spool_dir == config.worker.spool_dir);
  CHECK(config.worker.records_dir == dir.root / "records");
  CHECK(config.carrier.account_sid.size() == 34);
  CHECK(config::read_secret(config.carrier.auth_token_file).ok());
  CHECK(config.carrier.base_url.find("127.0.0.1") != std::string::npos);
}

TEST_CASE("daemon.state_dir: the environment of `up` counts, and does not reach the roles") {
  const support::ScratchDir scratch;
  const StateDir dir{scratch.path() / "state"};
  REQUIRE(make_directories(dir).ok());
  ::setenv("CALLD_SIM_SCRIPT", "callers.toml", 1);
  ::setenv("SERVICE_ROLE", "worker", 1);
  const auto made = make_config(dir, {});
  clear_environment();
  CHECK(std::getenv("CALLD_SIM_SCRIPT") == nullptr);
  CHECK(std::getenv("SERVICE_ROLE") == nullptr);
  REQUIRE(made.ok());
  CHECK(made->service.role == "worker");
  CHECK(made->sim.script.is_absolute());
  CHECK(made->sim.script.filename() == "callers.toml");
}

TEST_CASE("daemon.state_dir: a deep directory has its sockets elsewhere, always at one place") {
  const StateDir near{"/var/lib/x"};
  CHECK(near.runtime() == "/var/lib/x/run");
  const StateDir deep{"/var/" + std::string(100, 'x')};
  CHECK(deep.runtime().string().starts_with("/tmp/calld-"));
  CHECK(deep.runtime() == StateDir{deep.root}.runtime());
  CHECK(deep.runtime() != StateDir{deep.root / "y"}.runtime());
}

}  // namespace
}  // namespace call::daemon
