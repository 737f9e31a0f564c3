#include "core/local/redis.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <optional>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/files.hpp"
#include "core/base/scope_exit.hpp"
#include "core/local/process.hpp"
#include "core/local/server_dir.hpp"
#include "core/log/log.hpp"

namespace call::local {
namespace {

std::string configuration(const ServerDir& dir, const RedisOptions& options, std::uint16_t port,
                          const std::string& password) {
  std::string text = "bind 127.0.0.1\nport " + std::to_string(port) + "\nrequirepass " + password +
                     "\ndaemonize no\nsupervised no\ndatabases 16\nsave \"\"\ndir \"" +
                     dir.data().string() + "\"\npidfile \"" + (dir.data() / "redis.pid").string() +
                     "\"\n";
  text += options.durable ? "appendonly yes\nappendfsync everysec\n" : "appendonly no\n";
  return text;
}

/// True once the server answers PING with PONG: while it loads its file it answers -LOADING.
bool answers(std::uint16_t port, const std::string& password) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  ScopeExit close_fd([&] { close(fd); });
  const timeval limit{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return false;
  const std::string request = "AUTH " + password + "\r\nPING\r\n";
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
  constexpr std::string_view kWanted = "+OK\r\n+PONG\r\n";
  std::string reply;
  std::array<char, 256> buffer{};
  while (reply.size() < kWanted.size()) {
    const ssize_t got = recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) return false;
    reply.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return reply == kWanted;
}

}  // namespace

struct Redis::Impl {
  RedisOptions options;
  ServerDir dir;
  std::string password;
  std::uint16_t port = 0;
  std::optional<Child> server;
  log::Logger log{"local"};

  Impl(RedisOptions chosen, ServerDir opened)
      : options(std::move(chosen)), dir(std::move(opened)) {}

  Status launch(const std::filesystem::path& program, Deadline deadline) {
    CALL_CHECK(dir.make_directory(dir.data()));
    CALL_CHECK(dir.end_orphan(dir.data() / "redis.pid", SIGTERM));
    CALL_TRY(password, dir.password());
    CALL_TRY(port, dir.choose_port());
    const auto config = dir.path() / "redis.conf";
    CALL_CHECK(write_file_atomic(config, configuration(dir, options, port, password), 0600));
    CALL_CHECK(dir.give(config));
    ChildOptions child;
    child.argv = {program.string(), config.string()};
    child.directory = dir.data();
    child.output = dir.log();
    child.user = dir.user();
    child.death_signal = SIGTERM;
    CALL_TRY(server, Child::start(child));
    while (!answers(port, password)) {
      if (server->wait(Deadline::after(std::chrono::milliseconds(20))).ok()) {
        const std::string tail = dir.log_tail();
        const bool taken = tail.find("Address already in use") != std::string::npos;
        return Error{taken ? Errc::unavailable : Errc::io, "Redis did not start: " + tail};
      }
      if (deadline.passed()) {
        server->stop(SIGTERM, Deadline::after(std::chrono::seconds(2)));
        return Error{Errc::timeout, "Redis is not ready in time: " + dir.log_tail()};
      }
    }
    return {};
  }
};

Redis::Redis(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Redis::~Redis() {
  if (running() && !stop(Deadline::after(std::chrono::seconds(5))).ok()) {
    impl_->log.warn("Redis in {} had to be killed", impl_->dir.path().string());
  }
}

Result<std::unique_ptr<Redis>> Redis::start(const RedisOptions& options, Deadline deadline) {
  assert_may_block("Redis::start");
  CALL_TRY(const auto program, find_program("redis-server", "redis-server"));
  CALL_TRY(auto user, service_user({"redis", "nobody"}));
  CALL_TRY(auto dir, ServerDir::open(options.dir, std::move(user)));
  auto impl = std::make_unique<Impl>(options, std::move(dir));
  auto launched = impl->launch(program, deadline);
  while (!launched && launched.error().code == Errc::unavailable && !deadline.passed()) {
    pause_for(std::chrono::milliseconds(100));
    launched = impl->launch(program, deadline);
  }
  CALL_CHECK(std::move(launched));
  std::unique_ptr<Redis> out(new Redis(std::move(impl)));
  out->impl_->log.info("Redis runs on port {} in {}", out->port(), options.dir.string());
  return out;
}

std::string Redis::url(int database) const {
  return "redis://:" + impl_->password + "@127.0.0.1:" + std::to_string(impl_->port) + "/" +
         std::to_string(database);
}

std::uint16_t Redis::port() const {
  return impl_->port;
}
pid_t Redis::pid() const {
  return impl_->server->pid();
}
bool Redis::running() {
  return impl_->server && impl_->server->running();
}

Status Redis::stop(Deadline deadline) {
  if (!running()) return {};
  if (impl_->server->stop(SIGTERM, deadline)) return {};
  return Error{Errc::timeout, "Redis did not stop in time and was killed"};
}

}  // namespace call::local
