#include "core/local/redis.hpp"

#include <hiredis/hiredis.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <memory>

#include "tests/support/scratch_dir.hpp"
#include "tests/support/servers.hpp"

using namespace call;
using namespace call::local;

namespace {

Deadline soon() {
  return Deadline::after(std::chrono::seconds(60));
}

RedisOptions in(const std::filesystem::path& dir, bool durable) {
  RedisOptions options;
  options.dir = dir;
  options.durable = durable;
  return options;
}

/// The reply of one command as text, after the password of the URL.
std::string ask(const Redis& server, const std::string& command) {
  const std::string url = server.url();
  const std::string password = url.substr(9, url.find('@') - 9);
  std::unique_ptr<redisContext, decltype(&redisFree)> context(
      redisConnect("127.0.0.1", server.port()), &redisFree);
  REQUIRE(context != nullptr);
  REQUIRE(context->err == 0);
  freeReplyObject(redisCommand(context.get(), "AUTH %s", password.c_str()));
  auto* reply = static_cast<redisReply*>(redisCommand(context.get(), command.c_str()));
  REQUIRE(reply != nullptr);
  const std::string text(reply->str != nullptr ? reply->str : "");
  freeReplyObject(reply);
  return text;
}

}  // namespace

TEST_CASE("local.redis: a durable server keeps its data over a clean stop and over a crash") {
  const support::ScratchDir dir;
  const auto options = in(dir.path() / "redis", true);
  std::uint16_t port = 0;
  {
    auto server = Redis::start(options, soon());
    INFO((server.ok() ? "" : server.error().to_string()));
    REQUIRE(server.ok());
    port = (*server)->port();
    CHECK(ask(**server, "SET first 1") == "OK");
    CHECK((*server)->stop(soon()).ok());
  }
  {
    auto server = Redis::start(options, soon());
    REQUIRE(server.ok());
    CHECK((*server)->port() == port);
    CHECK(ask(**server, "GET first") == "1");
    CHECK(ask(**server, "CONFIG SET appendfsync always") == "OK");
    CHECK(ask(**server, "SET second 2") == "OK");
    kill((*server)->pid(), SIGKILL);
  }
  auto server = Redis::start(options, soon());
  REQUIRE(server.ok());
  CHECK(ask(**server, "GET second") == "2");
}

TEST_CASE("local.redis: nobody gets in without the password") {
  auto& server = support::redis();
  std::unique_ptr<redisContext, decltype(&redisFree)> context(
      redisConnect("127.0.0.1", server.port()), &redisFree);
  REQUIRE(context->err == 0);
  auto* reply = static_cast<redisReply*>(redisCommand(context.get(), "PING"));
  REQUIRE(reply != nullptr);
  CHECK(reply->type == REDIS_REPLY_ERROR);
  freeReplyObject(reply);
}

TEST_CASE("local.redis: a directory in use is refused") {
  const support::ScratchDir dir;
  auto server = Redis::start(in(dir.path() / "redis", false), soon());
  REQUIRE(server.ok());
  const auto second = Redis::start(in(dir.path() / "redis", false), soon());
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == Errc::conflict);
}

TEST_CASE("local.redis: the test fixture hands out an empty server") {
  support::fresh_redis();
  CHECK(ask(support::redis(), "SET something here") == "OK");
  support::fresh_redis();
  CHECK(ask(support::redis(), "GET something").empty());
}
