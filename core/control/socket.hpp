// Inside core/control: a Unix-domain stream socket that exchanges lines.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"

namespace call::control {

/// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// Errc::unavailable when nobody listens there.
Result<Fd> connect_to(const std::filesystem::path& path);
/// Binds, makes the file private, then listens. Errc::conflict when the file exists.
Result<Fd> listen_at(const std::filesystem::path& path);
/// The process at the other end.
int peer_pid(const Fd& socket);

/// Up to and without the newline. Errc::limit above kLineBytesMax, Errc::closed, Errc::timeout. Blocks.
Result<std::string> read_line(const Fd& socket, Deadline deadline);
/// Adds the newline. Blocks.
Status write_line(const Fd& socket, std::string_view line, Deadline deadline);

}  // namespace call::control
