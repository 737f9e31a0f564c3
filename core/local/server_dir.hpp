// What the private servers have in common: the directory that one of them lives in. Internal to
// this module.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/local/process.hpp"

namespace call::local {

/// A server's directory, locked against a second calld until destroyed.
class ServerDir {
 public:
  /// Makes <dir> and <dir>/data (0700, owned by `user`), takes <dir>/lock. Errc::conflict: in use.
  /// Errc::permission: `user` cannot reach it; the text names the parent that is in the way.
  static Result<ServerDir> open(const std::filesystem::path& dir, std::optional<User> user);
  ServerDir(ServerDir&& other) noexcept;
  ServerDir& operator=(ServerDir&&) = delete;
  ~ServerDir();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path data() const { return path_ / "data"; }
  std::filesystem::path log() const { return path_ / "log"; }
  const std::optional<User>& user() const { return user_; }

  /// The password in <dir>/password, made at the first call; the file is readable by the server's
  /// user only.
  Result<std::string> password() const;
  /// The port of the run before if it is free, else a free one; kept in <dir>/port.
  Result<std::uint16_t> choose_port() const;
  /// Makes a directory of the server's user inside <dir>, 0700; one that exists is left as it is.
  Status make_directory(const std::filesystem::path& path) const;
  /// Gives a file to the server's user.
  Status give(const std::filesystem::path& path) const;
  /// Ends a server that outlived its calld: `pid_file` names a process whose working directory is
  /// our data directory. Removes a stale file, also when its number now belongs to a stranger.
  Status end_orphan(const std::filesystem::path& pid_file, int signal) const;
  /// The end of the server's log, for an error text.
  std::string log_tail() const;

 private:
  ServerDir(std::filesystem::path path, std::optional<User> user, int lock_fd);
  std::filesystem::path path_;
  std::optional<User> user_;
  int lock_fd_;
};

/// Waits without a thread or a timer: for the pause between two looks at a server that is starting.
void pause_for(std::chrono::milliseconds span);

}  // namespace call::local
