// A blocking connection to Redis that belongs to one thread.
//
// Nothing is ever sent twice: when the connection is lost, the call fails (Errc::closed, or
// Errc::timeout when the deadline passed first) and the owner decides whether the command may be
// repeated. Connecting again is the owner's act: ensure_connected(). A call on a closed connection
// fails with Errc::unavailable and sends nothing. A server that says READONLY has been demoted by a
// fail-over: the command fails with Errc::unavailable (it was not run), and the connection is closed, so that the
// next ensure_connected() finds the new primary.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/redis/endpoint.hpp"
#include "core/redis/reply.hpp"

namespace call::redis {

/// One command as its words; a word is any bytes.
using Command = std::vector<std::string>;

/// A Lua script; lives as long as the connections that run it (scripts are constants of the
/// program). `name` is for errors, `source` is what Redis compiles.
struct Script {
  std::string_view name;
  std::string source;
};

class Connection {
 public:
  /// Opens nothing. `client_name` is shown by CLIENT LIST (no spaces); empty: none.
  explicit Connection(Endpoint endpoint, std::string client_name = {});
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  /// Connects (with AUTH, SELECT and CLIENT SETNAME) unless connected. Also notices a connection
  /// that the peer has closed meanwhile, before anything is lost on it. Errc::unavailable,
  /// Errc::timeout or Errc::permission, naming the server.
  Status ensure_connected(Deadline deadline);
  bool connected() const;
  void close();
  const Endpoint& endpoint() const;

  /// Sends one command and waits for its answer. An error answer is Errc::protocol with Redis's
  /// text.
  Result<Reply> command(const Command& words, Deadline deadline);
  /// Sends all, then reads all answers; error answers stay Reply values in their place.
  Result<std::vector<Reply>> pipeline(std::span<const Command> commands, Deadline deadline);
  /// MULTI, the commands, EXEC in one round trip: the answers of the commands. Any error answer
  /// fails the whole call.
  Result<std::vector<Reply>> transaction(std::span<const Command> commands, Deadline deadline);
  /// EVALSHA, with the script loaded on first use and EVAL when the server has forgotten it (it ran
  /// neither time before: NOSCRIPT means not run).
  Result<Reply> run(const Script& script, std::span<const std::string> keys,
                    std::span<const std::string> args, Deadline deadline);

  /// For blocking commands and subscriptions: send without waiting, then take answers one by one.
  /// receive() returns nullopt when the deadline passed; the connection stays good. The other calls
  /// may be used again only after every answer was received.
  Status send(const Command& words, Deadline deadline);
  Result<std::optional<Reply>> receive(Deadline deadline);
  /// The socket for poll(2), -1 when closed. Only for waiting: never read or write it.
  int fd() const;
  /// "ip:port" of this end as Redis sees it, or "unknown".
  std::string local_address() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Waits until one of the sockets, or `other_fd`, is readable or the deadline passed. Closed
/// connections and a negative `other_fd` are passed over.
void wait_readable(std::span<Connection* const> connections, Deadline deadline, int other_fd = -1);

/// {"HSET", key, field, value, ...} and the like, from anything string-like.
template <class... Words>
Command cmd(Words&&... words) {
  return Command{std::string(std::forward<Words>(words))...};
}

}  // namespace call::redis
