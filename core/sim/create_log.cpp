#include "core/sim/create_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace call::sim {

CreateLog::~CreateLog() {
  if (fd_ >= 0) ::close(fd_);
}

Status CreateLog::open(const std::filesystem::path& dir) {
  if (dir.empty()) return {};
  std::error_code ignored;  // open() says what is wrong
  std::filesystem::create_directories(dir, ignored);
  const auto path = dir / "creates.jsonl";
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ >= 0) return {};
  return Error{Errc::io, path.string() + " cannot be written: " + std::strerror(errno)};
}

Status CreateLog::append(std::string line) const {
  if (fd_ < 0) return {};
  line += '\n';
  // One write on a descriptor that appends: lines of several threads do not mix.
  const auto written = ::write(fd_, line.data(), line.size());
  if (written == static_cast<ssize_t>(line.size()) && ::fdatasync(fd_) == 0) return {};
  return Error{Errc::io, std::string("creates.jsonl: ") + std::strerror(errno)};
}

}  // namespace call::sim
