#include "core/local/process.hpp"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <optional>
#include <thread>

#include "core/base/files.hpp"
#include "tests/support/scratch_dir.hpp"

using namespace call;
using namespace call::local;
namespace fs = std::filesystem;

namespace {

ChildOptions shell(const std::string& script) {
  ChildOptions options;
  options.argv = {"/bin/sh", "-c", script};
  return options;
}

Deadline soon() {
  return Deadline::after(std::chrono::seconds(20));
}

}  // namespace

TEST_CASE("local.process: the exit code of a child is its verdict") {
  auto child = Child::start(shell("exit 7"));
  REQUIRE(child.ok());
  auto code = child->wait(soon());
  REQUIRE(code.ok());
  CHECK(*code == 7);
  CHECK_FALSE(child->running());
}

TEST_CASE("local.process: a signal counts as 128 and its number") {
  auto child = Child::start(shell("kill -9 $$"));
  REQUIRE(child.ok());
  CHECK(child->wait(soon()).value() == 128 + SIGKILL);
}

TEST_CASE("local.process: a wait that times out leaves the child running") {
  auto child = Child::start(shell("exec sleep 60"));
  REQUIRE(child.ok());
  const auto code = child->wait(Deadline::after(std::chrono::milliseconds(30)));
  REQUIRE_FALSE(code.ok());
  CHECK(code.error().code == Errc::timeout);
  CHECK(child->running());
  CHECK(child->stop(SIGTERM, soon()));
}

TEST_CASE("local.process: a child that ignores the signal is killed at the deadline") {
  const support::ScratchDir dir;
  auto options = shell("trap '' TERM; echo ready; while :; do sleep 0.05; done");
  options.output = dir.path() / "out";
  auto child = Child::start(options);
  REQUIRE(child.ok());
  while (read_file(options.output).value().empty()) {
    REQUIRE_FALSE(child->wait(Deadline::after(std::chrono::milliseconds(10))).ok());
  }
  CHECK_FALSE(child->stop(SIGTERM, Deadline::after(std::chrono::milliseconds(100))));
  CHECK_FALSE(child->running());
}

TEST_CASE("local.process: a missing program and a missing directory are named") {
  ChildOptions options;
  options.argv = {"/nowhere/program"};
  auto missing = Child::start(options);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == Errc::not_found);
  CHECK(missing.error().context.find("/nowhere/program") != std::string::npos);

  auto lost = shell("true");
  lost.directory = "/nowhere/at/all";
  auto failed = Child::start(lost);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().context.find("/nowhere/at/all") != std::string::npos);
}

TEST_CASE("local.process: the end of the output explains a failure") {
  const auto failed = run(shell("echo first; echo the reason >&2; exit 3"), soon());
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().context.find("the reason") != std::string::npos);
  CHECK(run(shell("true"), soon()).ok());
}

TEST_CASE("local.process: a program that does not finish in time is killed") {
  const auto failed = run(shell("sleep 60"), Deadline::after(std::chrono::milliseconds(50)));
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == Errc::timeout);
}

TEST_CASE("local.process: a variable given replaces the inherited one") {
  setenv("CALLD_TEST_VARIABLE", "inherited", 1);
  auto options = shell("test \"$CALLD_TEST_VARIABLE\" = given");
  options.environment = {{"CALLD_TEST_VARIABLE", "given"}};
  CHECK(run(options, soon()).ok());
  CHECK(run(shell("test \"$CALLD_TEST_VARIABLE\" = inherited"), soon()).ok());
}

TEST_CASE("local.process: the kernel ends a child when the thread that started it ends") {
  std::optional<Child> child;
  std::thread([&] {
    auto started = Child::start(shell("exec sleep 60"));
    if (started.ok()) child.emplace(*std::move(started));
  }).join();
  REQUIRE(child);
  CHECK(child->wait(soon()).ok());
  CHECK(child->signal() == SIGTERM);
}

TEST_CASE("local.process: root runs a child as another user", "[root]") {
  if (geteuid() != 0) return;  // needs root
  const auto user = service_user({"no-such-user-here", "nobody"});
  REQUIRE(user.ok());
  REQUIRE(user->has_value());
  CHECK((*user)->name == "nobody");
  auto options = shell("test \"$(id -un)\" = nobody && test \"$(id -G)\" = \"$(id -g)\"");
  options.user = *user;
  CHECK(run(options, soon()).ok());

  const support::ScratchDir dir;
  fs::permissions(dir.path(), fs::perms(0700));
  options.directory = dir.path();
  const auto refused = run(options, soon());
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Errc::permission);
}

TEST_CASE("local.process: a missing tool names its package") {
  const auto found = find_program("sh", "dash");
  REQUIRE(found.ok());
  CHECK(found->is_absolute());
  const auto missing = find_program("no-such-tool-here", "some-package");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().context == "no-such-tool-here not found: apt-get install some-package");
}
