// The operator's back door of a running daemon: a Unix-domain socket that takes one line of JSON
// and answers one.
//
//   request   {"command":"log-level","module":"dialer","level":"debug"}
//   answer    {"ok":true,"result":...}  or  {"ok":false,"error":"...","code":"not_found"}
//
// Only the user who runs the daemon (and root) may speak: the socket's mode is 0600 and its
// directory is ours.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/json/json.hpp"

namespace call::control {

/// Longest line in either direction; a longer request is refused, a longer answer is a programmer
/// error.
inline constexpr std::size_t kLineBytesMax = 64U << 10;

/// Gets the whole request object. Runs on the control thread: one request at a time, so it must be
/// quick.
using Handler = std::function<Result<Json>(const Json& request)>;
using Handlers = std::map<std::string, Handler, std::less<>>;

/// Serves on a thread of its own from listen() until it is destroyed (which removes the socket
/// file).
class Server {
 public:
  /// Handlers "ping" (answers the pid) and "log-level" (see log_level_handler) are added when they
  /// are not given. Errc::conflict "... is in use by pid N" when a live process serves the path; a
  /// stale socket is replaced.
  static Result<std::unique_ptr<Server>> listen(const std::filesystem::path& path,
                                                Handlers handlers);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Sends one request and returns its "result". An error answer comes back as that error;
/// Errc::unavailable when nobody serves the path. Blocks up to the deadline.
Result<Json> call(const std::filesystem::path& path, const Json& request, Deadline deadline);

/// Every daemon of a role that runs here: the first serves ROLE.sock in the directory, a further one ROLE-PID.sock.
/// What each answers; Errc::unavailable when none runs, any other error at once. Blocks up to the deadline.
Result<std::vector<Json>> call_all(const std::filesystem::path& directory, std::string_view role,
                                   const Json& request, Deadline deadline);

/// {"level":"debug"} for all modules, {"module":"rq","level":"debug"} for one,
/// {"spec":"info,rq=debug"} for a level specification; without any of them it only reads. Answers
/// {"levels":{"api":"info",...}}.
Result<Json> log_level_handler(const Json& request);

}  // namespace call::control
