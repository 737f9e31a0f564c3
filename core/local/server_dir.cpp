#include "core/local/server_dir.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/scope_exit.hpp"
#include "core/base/strings.hpp"

namespace call::local {
namespace {

namespace fs = std::filesystem;

Error io_error(std::string_view doing, const fs::path& path, int error = errno) {
  const Errc code = error == EACCES || error == EPERM ? Errc::permission : Errc::io;
  return {code, std::string(doing) + " " + path.string() + ": " + std::strerror(error)};
}

bool may_enter(const User& user, const struct stat& info) {
  if (info.st_uid == user.uid) return (info.st_mode & S_IXUSR) != 0;
  if (info.st_gid == user.gid) return (info.st_mode & S_IXGRP) != 0;
  return (info.st_mode & S_IXOTH) != 0;
}

/// A server that steps down from root must still reach its directory through every parent.
Status check_reachable(const fs::path& dir, const User& user) {
  fs::path walked;
  for (const auto& part : dir) {
    walked /= part;
    struct stat info {};
    if (stat(walked.c_str(), &info) != 0) return io_error("cannot look at", walked);
    if (may_enter(user, info)) continue;
    return Error{Errc::permission, "user " + user.name + " cannot reach " + dir.string() +
                                       " because " + walked.string() +
                                       " is closed to it: choose another --state-dir, for example "
                                       "one under /var/lib, or chmod o+x that directory"};
  }
  return {};
}

/// A loopback socket bound to the port (0: any free one); the port, or nullopt when it is taken.
std::optional<std::uint16_t> try_bind(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  ScopeExit close_fd([&] { close(fd); });
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd, generic, length) != 0) return std::nullopt;
  if (getsockname(fd, generic, &length) != 0) return std::nullopt;
  return ntohs(address.sin_port);
}

}  // namespace

ServerDir::ServerDir(fs::path path, std::optional<User> user, int lock_fd)
    : path_(std::move(path)), user_(std::move(user)), lock_fd_(lock_fd) {}

ServerDir::ServerDir(ServerDir&& other) noexcept
    : path_(std::move(other.path_)),
      user_(std::move(other.user_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

ServerDir::~ServerDir() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

Result<ServerDir> ServerDir::open(const fs::path& dir, std::optional<User> user) {
  std::error_code error;
  const fs::path path = fs::absolute(dir, error).lexically_normal();
  fs::create_directories(path, error);
  if (error) return io_error("cannot make", path, error.value());
  const auto lock_path = path / "lock";
  const int fd = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return io_error("cannot open", lock_path);
  ServerDir out(path, std::move(user), fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return Error{Errc::conflict, "the state directory " + path.string() +
                                     " is in use by another calld: stop it or choose another "
                                     "--state-dir"};
  }
  if (out.user_) CALL_CHECK(check_reachable(path, *out.user_));
  return out;
}

Status ServerDir::give(const fs::path& path) const {
  if (user_ && chown(path.c_str(), user_->uid, user_->gid) != 0) {
    return io_error("cannot change the owner of", path);
  }
  return {};
}

Status ServerDir::make_directory(const fs::path& path) const {
  if (mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return {};
    return io_error("cannot make", path);
  }
  return give(path);
}

Result<std::string> ServerDir::password() const {
  const auto path = path_ / "password";
  if (fs::exists(path)) {
    CALL_TRY(const std::string text, read_file(path, 4096));
    return std::string(trim(text));
  }
  const std::string made = random_hex(16);
  CALL_CHECK(write_file_atomic(path, made + "\n", 0600));
  CALL_CHECK(give(path));
  return made;
}

Result<std::uint16_t> ServerDir::choose_port() const {
  const auto path = path_ / "port";
  if (const auto text = read_file(path, 64)) {
    const auto kept = parse_number<std::uint16_t>(trim(*text));
    if (kept && *kept > 0 && try_bind(*kept)) return *kept;
  }
  const auto port = try_bind(0);
  if (!port) return Error{Errc::unavailable, "no free port on 127.0.0.1"};
  CALL_CHECK(write_file_atomic(path, std::to_string(*port) + "\n"));
  return *port;
}

Status ServerDir::end_orphan(const fs::path& pid_file, int signal) const {
  const auto text = read_file(pid_file, 4096);
  if (!text) return {};
  const auto pid = parse_number<pid_t>(trim(split(*text, '\n').front()));
  std::error_code error;
  const auto directory =
      pid ? fs::read_symlink("/proc/" + std::to_string(*pid) + "/cwd", error) : fs::path();
  // We hold the lock, so the calld that started it is gone, and the kernel has told it to stop.
  if (!directory.empty() && directory == data()) {
    if (!end_process(*pid, signal, Deadline::after(std::chrono::seconds(5)))) {
      return Error{Errc::conflict, "process " + std::to_string(*pid) + " still uses " +
                                       path_.string() + " and does not end"};
    }
  }
  fs::remove(pid_file, error);
  return {};
}

std::string ServerDir::log_tail() const {
  constexpr std::size_t kMaxLines = 3;
  const auto text = read_file(log());
  if (!text) return "its log " + log().string() + " cannot be read";
  const auto lines = split(trim(*text), '\n');
  const std::size_t first = lines.size() > kMaxLines ? lines.size() - kMaxLines : 0;
  std::string out;
  for (std::size_t i = first; i < lines.size(); ++i) {
    out += (out.empty() ? "" : " / ") + to_valid_utf8(trim(lines[i]));
  }
  return out + " (" + log().string() + ")";
}

void pause_for(std::chrono::milliseconds span) {
  poll(nullptr, 0, static_cast<int>(span.count()));
}

}  // namespace call::local
