#include "daemon/supervisor.hpp"

#include <signal.h>

#include <catch2/catch.hpp>

#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "core/runtime/shutdown.hpp"
#include "tests/support/scratch_dir.hpp"

namespace call::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Stands in for calld: a script that is called with a role and the configuration file.
struct Fixture {
  support::ScratchDir scratch;
  Supervisor supervisor{scratch.path() / "program", scratch.path() / "calld.toml", scratch.path()};

  explicit Fixture(const std::string& script, milliseconds patience = seconds(5)) {
    const auto path = scratch.path() / "program";
    REQUIRE(write_file_atomic(path, "#!/bin/sh\n" + script, 0755).ok());
    REQUIRE(supervisor.start({"media", {"127.0.0.1", 1}, patience}).ok());
  }
  RoleState state() { return supervisor.states().front(); }
  // Runs the supervisor's tick until the condition holds; false after 20 s.
  template <class F>
  bool tick_until(F condition) {
    runtime::Shutdown timer;  // a wait that is not a sleep
    const auto deadline = Deadline::after(seconds(20));
    while (!deadline.passed()) {
      supervisor.tick();
      if (condition()) return true;
      timer.wait(Deadline::after(milliseconds(20)));
    }
    return false;
  }
};

TEST_CASE("daemon.supervisor: a role that dies is started again, and its last words are kept") {
  Fixture f(
      "echo \"started $1 with $3\"\nif [ -e \"$0.second\" ]; then exec sleep 60; fi\n"
      "touch \"$0.second\"\necho 'cannot find my model' >&2\nexit 3\n");
  REQUIRE(f.tick_until([&] { return f.supervisor.first_death().has_value(); }));
  const auto death = f.supervisor.first_death();
  REQUIRE(death);
  CHECK(death->find("media did not start: cannot find my model") == 0);
  REQUIRE(f.tick_until([&] { return f.state().running && f.state().restarts == 1; }));
  CHECK_FALSE(f.supervisor.first_death());
  const auto log = read_file(f.scratch.path() / "media.log");
  REQUIRE(log.ok());
  CHECK(log->find("started media with " + (f.scratch.path() / "calld.toml").string()) == 0);
}

TEST_CASE("daemon.supervisor: a role is ended by SIGTERM, and killed when it does not listen") {
  Fixture polite("exec sleep 60\n");
  const auto pid = polite.state().pid;
  polite.supervisor.stop("media");
  CHECK(polite.supervisor.states().empty());
  CHECK(::kill(pid, 0) != 0);

  Fixture deaf("trap '' TERM\ntouch \"$0.ready\"\nwhile :; do sleep 0.1; done\n",
               milliseconds(300));
  REQUIRE(deaf.tick_until(
      [&] { return std::filesystem::exists(deaf.scratch.path() / "program.ready"); }));
  const auto deaf_pid = deaf.state().pid;
  deaf.supervisor.stop("media");
  CHECK(::kill(deaf_pid, 0) != 0);
}

TEST_CASE("daemon.supervisor: a role that does not answer is running and not ready") {
  Fixture f("exec sleep 60\n");
  f.supervisor.ask_readiness();
  CHECK(f.state().running);
  CHECK_FALSE(f.state().ready);
}

}  // namespace
}  // namespace call::daemon
