#include "core/control/control.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/base/ids.hpp"
#include "core/control/socket.hpp"
#include "core/log/log.hpp"

namespace call::control {
namespace {

using std::chrono::seconds;

struct TempDir {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("ctl-" + random_hex(6));
  ~TempDir() { std::filesystem::remove_all(path); }
};

Handlers echo_handlers() {
  Handlers handlers;
  handlers["echo"] = [](const Json& request) -> Result<Json> { return Json(request); };
  handlers["fail"] = [](const Json&) -> Result<Json> { return Error{Errc::conflict, "not now"}; };
  return handlers;
}

Result<Json> ask(const std::filesystem::path& path, const Json& request) {
  return call(path, request, Deadline::after(seconds(5)));
}

TEST_CASE("control: a request is answered by its handler, an error keeps its kind") {
  TempDir dir;
  const auto path = dir.path / "run" / "api.sock";
  const auto server = Server::listen(path, echo_handlers());
  REQUIRE(server.ok());
  const auto echoed = ask(path, {{"command", "echo"}, {"name", "שלום\n"}});
  REQUIRE(echoed.ok());
  CHECK((*echoed)["name"] == "שלום\n");
  const auto failed = ask(path, {{"command", "fail"}});
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == Errc::conflict);
  CHECK(failed.error().context == "not now");
  CHECK(ask(path, {{"command", "nope"}}).error().code == Errc::not_found);
  CHECK(ask(path, {{"cmd", "echo"}}).error().context == "command is missing");
}

TEST_CASE("control: every daemon of a role answers, whoever of them is left") {
  TempDir dir;
  const auto deadline = Deadline::after(seconds(5));
  const Json ping = {{"command", "ping"}};
  CHECK(call_all(dir.path, "worker", ping, deadline).error().code == Errc::unavailable);
  auto first = Server::listen(dir.path / "worker.sock", {});
  const auto second = Server::listen(dir.path / "worker-4711.sock", {});
  const auto stranger = Server::listen(dir.path / "worker-of-a-test.sock", {});
  REQUIRE((first.ok() && second.ok() && stranger.ok()));
  CHECK(call_all(dir.path, "worker", ping, deadline)->size() == 2);
  first->reset();
  CHECK(call_all(dir.path, "worker", ping, deadline)->size() == 1);
  CHECK(call_all(dir.path, "api", ping, deadline).error().code == Errc::unavailable);
  CHECK(call_all(dir.path, "worker", {{"command", "nope"}}, deadline).error().code ==
        Errc::not_found);
}

TEST_CASE("control: only the owner may speak, and the socket goes with the server") {
  TempDir dir;
  const auto path = dir.path / "api.sock";
  {
    const auto server = Server::listen(path, {});
    REQUIRE(server.ok());
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    REQUIRE(::stat(dir.path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0700);
  }
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(ask(path, {{"command", "ping"}}).error().code == Errc::unavailable);
}

TEST_CASE("control: a live server keeps its socket, a dead one's socket is taken over") {
  TempDir dir;
  std::filesystem::create_directories(dir.path);
  const auto path = dir.path / "api.sock";
  { REQUIRE(listen_at(path).ok()); }  // closed without unlinking, as a killed process leaves it
  REQUIRE(std::filesystem::exists(path));
  const auto server = Server::listen(path, {});
  REQUIRE(server.ok());
  const auto second = Server::listen(path, {});
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == Errc::conflict);
  CHECK(second.error().context.find("is in use by pid " + std::to_string(::getpid())) !=
        std::string::npos);
  CHECK(ask(path, {{"command", "ping"}}).value()["pid"] == ::getpid());
}

TEST_CASE("control: a request that is too long or never ends does not hold up the next") {
  TempDir dir;
  const auto path = dir.path / "api.sock";
  const auto server = Server::listen(path, {});
  REQUIRE(server.ok());
  const auto flood = connect_to(path);
  REQUIRE(flood.ok());
  const std::string much(kLineBytesMax + 5000, 'x');
  static_cast<void>(write_line(*flood, much, Deadline::after(seconds(5))));
  const auto silent = connect_to(path);
  REQUIRE(silent.ok());
  CHECK(ask(path, {{"command", "ping"}}).ok());
}

TEST_CASE("control: log levels are read and changed while running") {
  TempDir dir;
  const auto path = dir.path / "api.sock";
  const auto server = Server::listen(path, {});
  REQUIRE(server.ok());
  const auto levels =
      ask(path, {{"command", "log-level"}, {"module", "rq"}, {"level", "trace"}}).value();
  CHECK(levels["levels"]["rq"] == "trace");
  CHECK(levels["levels"]["api"] == "info");
  CHECK(log::Logger("rq").enabled(log::Level::trace));
  CHECK(ask(path, {{"command", "log-level"}, {"spec", "warn"}}).value()["levels"]["rq"] == "warn");
  const auto bad = ask(path, {{"command", "log-level"}, {"level", "loud"}});
  CHECK(bad.error().context.find("\"loud\" is not a log level") == 0);
  CHECK(ask(path, {{"command", "log-level"}, {"module", "x"}, {"level", "info"}}).error().code ==
        Errc::not_found);
  REQUIRE(log::set_levels("info").ok());
}

TEST_CASE("control: a path too long for a socket says which key to change") {
  const auto server = Server::listen(
      std::filesystem::temp_directory_path() / std::string(120, 'x') / "api.sock", {});
  std::filesystem::remove_all(std::filesystem::temp_directory_path() / std::string(120, 'x'));
  REQUIRE_FALSE(server.ok());
  CHECK(server.error().context.find("service.runtime_dir") != std::string::npos);
}

}  // namespace
}  // namespace call::control
