#include "core/redis/connection.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "core/redis/subscription.hpp"
#include "tests/support/servers.hpp"

namespace redis = call::redis;
using call::Deadline;
using call::Errc;
using redis::cmd;
using redis::Reply;

namespace {

Deadline soon() {
  return Deadline::after(std::chrono::seconds(5));
}
Deadline in(int ms) {
  return Deadline::after(std::chrono::milliseconds(ms));
}

redis::Endpoint server() {
  return *redis::parse_url(call::support::fresh_redis());
}

redis::Connection connected() {
  redis::Connection connection(server(), "test");
  REQUIRE(connection.ensure_connected(soon()));
  return connection;
}

/// A listening socket that answers nothing.
struct Mute {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  std::uint16_t port = 0;

  Mute() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);  // NOLINT
    REQUIRE(::listen(fd, 4) == 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);  // NOLINT
    port = ntohs(address.sin_port);
  }
  ~Mute() { ::close(fd); }
};

}  // namespace

TEST_CASE("redis.connection: every kind of answer arrives") {
  auto c = connected();
  CHECK(c.command(cmd("SET", "k", std::string("a\0b\r\n", 5)), soon())->text == "OK");
  CHECK(c.command(cmd("GET", "k"), soon())->text == std::string("a\0b\r\n", 5));
  CHECK(c.command(cmd("GET", "none"), soon())->is_nil());
  CHECK(c.command(cmd("INCRBY", "n", "-7"), soon())->integer == -7);
  c.command(cmd("RPUSH", "l", "x", "", "y"), soon()).value();
  CHECK(redis::texts(*c.command(cmd("LRANGE", "l", "0", "-1"), soon())) ==
        std::vector<std::string>{"x", "", "y"});
  CHECK(c.local_address().starts_with("127.0.0.1:"));
}

TEST_CASE("redis.connection: an error answer is an error that keeps the connection") {
  auto c = connected();
  const auto refused = c.command(cmd("INCR"), soon());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::protocol);
  CHECK(refused.error().context.find("wrong number of arguments") != std::string::npos);
  CHECK(c.command(cmd("PING"), soon())->text == "PONG");
}

TEST_CASE("redis.connection: a large value passes both ways") {
  auto c = connected();
  const std::string large(8U << 20, 'x');
  CHECK(c.command(cmd("SET", "large", large), soon()));
  CHECK(c.command(cmd("GET", "large"), soon())->text == large);
}

TEST_CASE("redis.connection: a pipeline keeps errors in their place") {
  auto c = connected();
  const std::array commands = {cmd("SET", "a", "1"), cmd("LPUSH", "a", "x"), cmd("INCR", "a")};
  const auto replies = c.pipeline(commands, soon());
  REQUIRE(replies);
  REQUIRE(replies->size() == 3);
  CHECK((*replies)[1].is_error());
  CHECK((*replies)[2].integer == 2);
  CHECK(c.pipeline({}, soon())->empty());
}

TEST_CASE("redis.connection: a transaction is all or nothing") {
  auto c = connected();
  const std::array good = {cmd("SET", "a", "1"), cmd("INCR", "a")};
  CHECK((*c.transaction(good, soon()))[1].integer == 2);
  const std::array bad = {cmd("SET", "a", "9"), cmd("NOSUCH")};
  REQUIRE_FALSE(c.transaction(bad, soon()));
  CHECK(c.command(cmd("GET", "a"), soon())->text == "2");
}

TEST_CASE("redis.connection: a script is loaded once and survives SCRIPT FLUSH") {
  auto c = connected();
  const redis::Script script{"adding", "return redis.call('INCRBY', KEYS[1], ARGV[1])"};
  const std::array<std::string, 1> keys = {"n"};
  const std::array<std::string, 1> args = {"2"};
  CHECK(c.run(script, keys, args, soon())->integer == 2);
  c.command(cmd("SCRIPT", "FLUSH"), soon()).value();
  CHECK(c.run(script, keys, args, soon())->integer == 4);  // not 6: it ran once
  const redis::Script broken{"breaking", "return redis.call('NOSUCH')"};
  const auto refused = c.run(broken, {}, {}, soon());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().context.find("breaking") != std::string::npos);
}

TEST_CASE("redis.connection: a command on a closed connection is refused, not sent") {
  redis::Connection c(server());
  CHECK(c.command(cmd("PING"), soon()).error().code == Errc::unavailable);
  CHECK(c.send(cmd("PING"), soon()).error().code == Errc::unavailable);
}

TEST_CASE("redis.connection: a cut connection is reported, and connecting again is asked for") {
  auto c = connected();
  auto killer = connected();
  const auto id = c.command(cmd("CLIENT", "ID"), soon())->integer;
  killer.command(cmd("CLIENT", "KILL", "ID", std::to_string(id)), soon()).value();
  const auto failed = c.command(cmd("PING"), soon());
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == Errc::closed);
  CHECK_FALSE(c.connected());
  CHECK(c.ensure_connected(soon()));
  CHECK(c.command(cmd("PING"), soon())->text == "PONG");
}

TEST_CASE("redis.connection: ensure_connected notices that the peer has gone") {
  auto c = connected();
  auto killer = connected();
  const auto id = c.command(cmd("CLIENT", "ID"), soon())->integer;
  killer.command(cmd("CLIENT", "KILL", "ID", std::to_string(id)), soon()).value();
  redis::wait_readable(std::array{&c}, soon());
  CHECK(c.ensure_connected(soon()));
  CHECK(c.command(cmd("PING"), soon())->text == "PONG");
}

TEST_CASE("redis.connection: a silent server meets the deadline") {
  const Mute mute;
  redis::Endpoint endpoint;
  endpoint.address.port = mute.port;
  redis::Connection c(endpoint);
  const auto started = call::MonoClock::now();
  const auto status = c.ensure_connected(in(100));
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::timeout);
  CHECK(call::MonoClock::now() - started < std::chrono::seconds(2));
}

TEST_CASE("redis.connection: a late answer ends the connection, so that no one takes it for his") {
  auto c = connected();
  const auto late = c.command(cmd("BLPOP", "never", "1"), in(50));
  REQUIRE_FALSE(late);
  CHECK(late.error().code == Errc::timeout);
  CHECK_FALSE(c.connected());
}

TEST_CASE("redis.connection: no server is unavailable and named") {
  redis::Endpoint endpoint;
  {
    const Mute mute;
    endpoint.address.port = mute.port;
  }
  redis::Connection c(endpoint);
  const auto status = c.ensure_connected(soon());
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::unavailable);
  CHECK(status.error().context.find(std::to_string(endpoint.address.port)) != std::string::npos);
}

TEST_CASE("redis.connection: a wrong password is a matter of permission") {
  auto endpoint = server();
  endpoint.password = call::Secret("wrong");
  redis::Connection c(endpoint);
  const auto status = c.ensure_connected(soon());
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::permission);
  CHECK(status.error().context.find("wrong\"") == std::string::npos);
}

TEST_CASE("redis.connection: receive waits without harm") {
  auto c = connected();
  auto other = connected();
  REQUIRE(c.send(cmd("BLPOP", "later", "5"), soon()));
  CHECK_FALSE(c.receive(in(20))->has_value());
  other.command(cmd("RPUSH", "later", "v"), soon()).value();
  const auto reply = c.receive(soon());
  REQUIRE(reply);
  CHECK((*reply)->items.at(1).text == "v");
  CHECK(c.command(cmd("PING"), soon())->text == "PONG");
}

TEST_CASE("redis.subscription: messages arrive with their channel") {
  const auto endpoint = server();
  redis::Subscription subscription(endpoint, {"one", "two"});
  REQUIRE(subscription.open(soon()));
  redis::Connection c(endpoint);
  REQUIRE(c.ensure_connected(soon()));
  CHECK_FALSE(subscription.next(in(10))->has_value());
  CHECK(c.command(cmd("PUBLISH", "two", "hello"), soon())->integer == 1);
  const auto message = subscription.next(soon());
  REQUIRE(message);
  CHECK((*message)->channel == "two");
  CHECK((*message)->payload == "hello");
}

TEST_CASE("redis.connection: a server that became a replica is left, and nothing was run") {
  auto c = connected();
  REQUIRE(c.command(cmd("REPLICAOF", "127.0.0.1", "1"), soon()));
  const auto refused = c.command(cmd("SET", "k", "v"), soon());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::unavailable);
  CHECK_FALSE(c.connected());
  REQUIRE(c.ensure_connected(soon()));
  CHECK(c.command(cmd("EXISTS", "k"), soon())->integer == 0);
  REQUIRE(c.command(cmd("REPLICAOF", "NO", "ONE"), soon()));
  CHECK(c.command(cmd("SET", "k", "v"), soon()));
}

TEST_CASE("redis.connection: sentinels that do not know the primary are each named") {
  auto endpoint = server();
  redis::Endpoint watched;
  watched.sentinels = {{"127.0.0.1", 1}, endpoint.address};  // nobody; a Redis that is no sentinel
  watched.primary = "calls";
  redis::Connection c(watched);
  const auto status = c.ensure_connected(soon());
  REQUIRE_FALSE(status);
  CHECK(status.error().code == Errc::unavailable);
  CHECK(status.error().context.find("'calls'") != std::string::npos);
  CHECK(status.error().context.find("127.0.0.1:1: ") != std::string::npos);
  CHECK(status.error().context.find(to_string(endpoint.address)) != std::string::npos);
}
