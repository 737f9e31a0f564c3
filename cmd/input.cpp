#include "cmd/input.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "core/base/files.hpp"
#include "core/config/value.hpp"

namespace call::cmd {

Result<std::string> read_input(const std::string& file, std::size_t bytes_max) {
  if (file != "-") return read_file(file, bytes_max);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const auto got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return Error{Errc::io, fmt::format("cannot read standard input: {}", std::strerror(errno))};
    if (got == 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
    if (text.size() > bytes_max)
      return Error{Errc::limit, fmt::format("standard input has more than {} bytes", bytes_max)};
  }
}

CLI::Validator as_seconds() {
  const auto read = [](std::string& text) -> std::string {
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) return {};
    const auto span = config::parse_duration(text);
    if (!span) return fmt::format("'{}' is no time; give one such as 30s, 10m or 2h", text);
    text = std::to_string(std::chrono::ceil<std::chrono::seconds>(*span).count());
    return {};
  };
  return CLI::Validator(read, "");
}

}  // namespace call::cmd
