#include "core/base/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/affinity.hpp"
#include "core/base/ids.hpp"
#include "core/base/scope_exit.hpp"

namespace call {
namespace {

Error errno_error(std::string_view doing, const std::filesystem::path& path) {
  const int number = errno;
  const Errc code = number == ENOENT                      ? Errc::not_found
                    : number == EACCES || number == EPERM ? Errc::permission
                                                          : Errc::io;
  return {code, fmt::format("{} {}: {}", doing, path.string(), std::strerror(number))};
}

Status write_all(int fd, std::string_view bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const auto written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno_error("cannot write", path);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return errno_error("cannot write", path);
  return {};
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  assert_may_block("read_file");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno_error("cannot read", path);
  const ScopeExit close_fd([fd] { ::close(fd); });
  return read_descriptor(fd, path.string(), max_bytes);
}

Result<std::string> read_descriptor(int fd, const std::string& name, std::size_t max_bytes) {
  assert_may_block("read_descriptor");
  std::string bytes;
  for (;;) {
    char buffer[1 << 16];
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read", name);
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) {
      return Error{Errc::limit, fmt::format("{} is larger than {} bytes", name, max_bytes)};
    }
  }
}

Status write_file_atomic(const std::filesystem::path& path, std::string_view bytes, int mode) {
  assert_may_block("write_file_atomic");
  const auto temporary = path.parent_path() / (path.filename().string() + "." + random_hex(4));
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(mode));
  if (fd < 0) return errno_error("cannot create", temporary);
  auto written = write_all(fd, bytes, temporary);
  ::close(fd);
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = errno_error("cannot replace", path);
  }
  if (!written) ::unlink(temporary.c_str());
  return written;
}

}  // namespace call
