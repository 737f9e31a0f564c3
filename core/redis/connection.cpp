// hiredis finds the server, formats commands and parses answers. Sending and receiving is done here
// on the non-blocking socket: hiredis's own calls take no deadline for a whole exchange, and its
// write(2) raises SIGPIPE.
#include "core/redis/connection.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <system_error>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/base/strings.hpp"
#include "core/redis/sentinel.hpp"

namespace call::redis {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;

struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
using Context = std::unique_ptr<redisContext, FreeContext>;

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

Reply to_reply(const redisReply& raw) {
  Reply out;
  switch (raw.type) {
    case REDIS_REPLY_STRING:
      out.type = Reply::Type::string;
      break;
    case REDIS_REPLY_STATUS:
      out.type = Reply::Type::status;
      break;
    case REDIS_REPLY_ERROR:
      out.type = Reply::Type::error;
      break;
    case REDIS_REPLY_INTEGER:
      out.type = Reply::Type::integer;
      out.integer = raw.integer;
      return out;
    case REDIS_REPLY_ARRAY:
      out.type = Reply::Type::array;
      out.items.reserve(raw.elements);
      for (std::size_t i = 0; i < raw.elements; ++i) out.items.push_back(to_reply(*raw.element[i]));
      return out;
    default:
      return out;
  }
  out.text.assign(raw.str, raw.len);
  return out;
}

/// False when the deadline passed first.
bool wait_for(int fd, short events, Deadline deadline) {
  assert_may_block("redis wait_for");
  while (true) {
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(deadline.left().count()));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return true;  // the next send or recv tells
    if (deadline.passed()) return false;
  }
}

std::string encode(const Command& words) {
  std::string out = fmt::format("*{}\r\n", words.size());
  for (const std::string& word : words) {
    out += fmt::format("${}\r\n", word.size());
    out += word;
    out += "\r\n";
  }
  return out;
}

/// The server has become a replica and ran nothing: the primary is somewhere else now.
bool is_demotion(const Reply& reply) {
  return reply.is_error() && reply.text.starts_with("READONLY");
}

Error error_reply(const Reply& reply, std::string_view what) {
  const bool denied = reply.text.starts_with("NOAUTH") || reply.text.starts_with("NOPERM") ||
                      reply.text.starts_with("WRONGPASS") ||
                      reply.text.starts_with("ERR invalid password") ||
                      reply.text.starts_with("ERR AUTH");
  const auto code = denied               ? Errc::permission
                    : is_demotion(reply) ? Errc::unavailable
                                         : Errc::protocol;
  return {code, fmt::format("Redis refused {}: {}", what, to_valid_utf8(reply.text))};
}

}  // namespace

struct Connection::Impl {
  Endpoint endpoint;
  std::string client_name;
  Context context;
  std::map<std::string_view, std::string> shas;  // script source -> SHA, by this server

  Error lost(Errc code, std::string_view why) {
    context.reset();
    return {code, fmt::format("Redis at {}: {}", describe(endpoint), why)};
  }

  Status open_socket(Deadline deadline);
  Status greet(Deadline deadline);
  Status check_role(Deadline deadline);
  Status send_all(std::string_view bytes, Deadline deadline);
  Result<std::optional<Reply>> parse_one();
  Result<std::optional<Reply>> receive(Deadline deadline);
  Result<std::vector<Reply>> exchange(std::string_view bytes, std::size_t answers,
                                      Deadline deadline);
  Result<Reply> command(const Command& words, Deadline deadline);
  Result<std::string> load(const Script& script, Deadline deadline);
};

Status Connection::Impl::open_socket(Deadline deadline) {
  Address address = endpoint.address;
  if (!endpoint.sentinels.empty()) {
    CALL_TRY(address, find_primary(endpoint, deadline));
  }
  context.reset(endpoint.unix_path.empty()
                    ? redisConnectNonBlock(address.host.c_str(), address.port)
                    : redisConnectUnixNonBlock(endpoint.unix_path.c_str()));
  if (!context) return Error{Errc::internal, "no memory for a Redis connection"};
  if (context->err != 0) return lost(Errc::unavailable, std::string(context->errstr));
  if (!wait_for(context->fd, POLLOUT, deadline))
    return lost(Errc::timeout, "no connection in the time given");
  int failure = 0;
  socklen_t size = sizeof failure;
  ::getsockopt(context->fd, SOL_SOCKET, SO_ERROR, &failure, &size);
  if (failure != 0) return lost(Errc::unavailable, errno_text(failure));
  return {};
}

Status Connection::Impl::greet(Deadline deadline) {
  if (!endpoint.password.empty()) {
    Command auth = {"AUTH"};
    if (!endpoint.user.empty()) auth.push_back(endpoint.user);
    auth.push_back(endpoint.password.reveal());
    CALL_CHECK(command(auth, deadline));
  }
  if (endpoint.database != 0) {
    CALL_CHECK(command(cmd("SELECT", std::to_string(endpoint.database)), deadline));
  }
  if (!client_name.empty()) CALL_CHECK(command(cmd("CLIENT", "SETNAME", client_name), deadline));
  // Also the first command of a connection without AUTH and SELECT: a server that wants a password
  // or is still loading says so here, not in the middle of somebody's work.
  CALL_CHECK(command(cmd("PING"), deadline));
  return endpoint.sentinels.empty() ? Status{} : check_role(deadline);
}

/// In a fail-over the sentinels may still name a server that has been demoted, or not yet promoted.
Status Connection::Impl::check_role(Deadline deadline) {
  CALL_TRY(const auto role, command(cmd("ROLE"), deadline));
  const auto words = texts(role);
  if (!words.empty() && words[0] == "master") return {};
  return lost(Errc::unavailable, "the server that the sentinels name is not a primary");
}

Status Connection::Impl::send_all(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(context->fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!wait_for(context->fd, POLLOUT, deadline))
        return lost(Errc::timeout, "it took no more data in the time given");
    } else if (errno != EINTR) {
      return lost(Errc::closed, errno_text(errno));
    }
  }
  return {};
}

Result<std::optional<Reply>> Connection::Impl::parse_one() {
  void* raw = nullptr;
  if (redisReaderGetReply(context->reader, &raw) != REDIS_OK)
    return lost(Errc::protocol, std::string(context->reader->errstr));
  if (raw == nullptr) return std::optional<Reply>{};
  const std::unique_ptr<redisReply, FreeReply> reply(static_cast<redisReply*>(raw));
  return std::optional<Reply>{to_reply(*reply)};
}

Result<std::optional<Reply>> Connection::Impl::receive(Deadline deadline) {
  std::array<char, kReadBytes> buffer;  // NOLINT: filled by recv
  while (true) {
    CALL_TRY(auto reply, parse_one());
    if (reply) return reply;
    const ssize_t got = ::recv(context->fd, buffer.data(), buffer.size(), 0);
    if (got > 0) {
      redisReaderFeed(context->reader, buffer.data(), static_cast<std::size_t>(got));
    } else if (got == 0) {
      return lost(Errc::closed, "the server closed the connection");
    } else if (errno == EAGAIN) {
      if (!wait_for(context->fd, POLLIN, deadline)) return std::optional<Reply>{};
    } else if (errno != EINTR) {
      return lost(Errc::closed, errno_text(errno));
    }
  }
}

Result<std::vector<Reply>> Connection::Impl::exchange(std::string_view bytes, std::size_t answers,
                                                      Deadline deadline) {
  if (!context)
    return Error{Errc::unavailable, fmt::format("Redis at {}: not connected", describe(endpoint))};
  CALL_CHECK(send_all(bytes, deadline));
  std::vector<Reply> out;
  out.reserve(answers);
  while (out.size() < answers) {
    CALL_TRY(auto reply, receive(deadline));
    // An answer that comes later would be taken for that of the next command: the connection ends.
    if (!reply) return lost(Errc::timeout, "no answer in the time given");
    out.push_back(*std::move(reply));
  }
  if (std::any_of(out.begin(), out.end(), is_demotion)) context.reset();
  return out;
}

Result<Reply> Connection::Impl::command(const Command& words, Deadline deadline) {
  CALL_ASSERT(!words.empty());
  CALL_TRY(auto replies, exchange(encode(words), 1, deadline));
  if (replies[0].is_error()) return error_reply(replies[0], words[0]);
  return std::move(replies[0]);
}

Result<std::string> Connection::Impl::load(const Script& script, Deadline deadline) {
  if (const auto known = shas.find(script.source); known != shas.end()) return known->second;
  CALL_TRY(auto reply, command({"SCRIPT", "LOAD", script.source}, deadline));
  shas.emplace(script.source, reply.text);
  return std::move(reply.text);
}

Connection::Connection(Endpoint endpoint, std::string client_name)
    : impl_(std::make_unique<Impl>()) {
  impl_->endpoint = std::move(endpoint);
  impl_->client_name = std::move(client_name);
}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

Status Connection::ensure_connected(Deadline deadline) {
  assert_may_block("redis::Connection::ensure_connected");
  if (impl_->context) {
    char byte = 0;
    const ssize_t got = ::recv(impl_->context->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got > 0 || (got < 0 && errno == EAGAIN)) return {};
    close();
  }
  CALL_CHECK(impl_->open_socket(deadline));
  auto greeted = impl_->greet(deadline);
  if (!greeted) close();
  return greeted;
}

bool Connection::connected() const {
  return impl_->context != nullptr;
}
void Connection::close() {
  impl_->context.reset();
}
const Endpoint& Connection::endpoint() const {
  return impl_->endpoint;
}

Result<Reply> Connection::command(const Command& words, Deadline deadline) {
  assert_may_block("redis::Connection::command");
  return impl_->command(words, deadline);
}

Result<std::vector<Reply>> Connection::pipeline(std::span<const Command> commands,
                                                Deadline deadline) {
  assert_may_block("redis::Connection::pipeline");
  std::string bytes;
  for (const Command& words : commands) bytes += encode(words);
  return impl_->exchange(bytes, commands.size(), deadline);
}

Result<std::vector<Reply>> Connection::transaction(std::span<const Command> commands,
                                                   Deadline deadline) {
  assert_may_block("redis::Connection::transaction");
  std::string bytes = encode({"MULTI"});
  for (const Command& words : commands) bytes += encode(words);
  bytes += encode({"EXEC"});
  CALL_TRY(auto replies, impl_->exchange(bytes, commands.size() + 2, deadline));
  for (std::size_t i = 0; i + 1 < replies.size(); ++i)
    if (replies[i].is_error())
      return error_reply(replies[i], i == 0 ? "MULTI" : commands[i - 1][0]);
  Reply& exec = replies.back();
  if (exec.is_error()) return error_reply(exec, "EXEC");
  for (std::size_t i = 0; i < exec.items.size(); ++i)
    if (exec.items[i].is_error()) return error_reply(exec.items[i], commands[i][0]);
  return std::move(exec.items);
}

Result<Reply> Connection::run(const Script& script, std::span<const std::string> keys,
                              std::span<const std::string> args, Deadline deadline) {
  assert_may_block("redis::Connection::run");
  CALL_TRY(auto sha, impl_->load(script, deadline));
  Command words = {"EVALSHA", std::move(sha), std::to_string(keys.size())};
  words.insert(words.end(), keys.begin(), keys.end());
  words.insert(words.end(), args.begin(), args.end());
  CALL_TRY(auto replies, impl_->exchange(encode(words), 1, deadline));
  if (replies[0].is_error() && replies[0].text.starts_with("NOSCRIPT")) {
    words[0] = "EVAL";
    words[1] = script.source;
    CALL_TRY(replies, impl_->exchange(encode(words), 1, deadline));
  }
  if (replies[0].is_error()) return error_reply(replies[0], script.name);
  return std::move(replies[0]);
}

Status Connection::send(const Command& words, Deadline deadline) {
  assert_may_block("redis::Connection::send");
  if (!impl_->context) return impl_->lost(Errc::unavailable, "not connected");
  return impl_->send_all(encode(words), deadline);
}

Result<std::optional<Reply>> Connection::receive(Deadline deadline) {
  assert_may_block("redis::Connection::receive");
  if (!impl_->context) return impl_->lost(Errc::unavailable, "not connected");
  auto reply = impl_->receive(deadline);
  if (reply && *reply && is_demotion(**reply)) close();
  return reply;
}

int Connection::fd() const {
  return impl_->context ? impl_->context->fd : -1;
}

std::string Connection::local_address() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  // NOLINTNEXTLINE: the socket API's own idiom
  if (fd() < 0 || ::getsockname(fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0 ||
      address.sin_family != AF_INET)
    return "unknown";
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  return fmt::format("{}:{}", text.data(), ntohs(address.sin_port));
}

void wait_readable(std::span<Connection* const> connections, Deadline deadline, int other_fd) {
  assert_may_block("redis::wait_readable");
  std::vector<pollfd> entries = {{other_fd, POLLIN, 0}};
  for (const Connection* connection : connections)
    entries.push_back({connection->fd(), POLLIN, 0});  // poll(2) passes over -1
  ::poll(entries.data(), entries.size(), static_cast<int>(deadline.left().count()));
}

}  // namespace call::redis
