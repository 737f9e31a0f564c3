#include "cmd/input.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>

#include "core/base/files.hpp"
#include "core/config/value.hpp"

namespace call::cmd {

Result<std::string> read_input(const std::string& file, std::size_t bytes_max) {
  if (file != "-") return read_file(file, bytes_max);
  return read_descriptor(STDIN_FILENO, "standard input", bytes_max);
}

std::optional<std::chrono::seconds> parse_span(const std::string& text) {
  const bool plain = text.find_first_not_of("0123456789") == std::string::npos;
  const auto span = config::parse_duration(plain ? text + "s" : text);
  if (!span) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(*span);
}

CLI::Validator as_seconds() {
  const auto read = [](std::string& text) -> std::string {
    const auto span = parse_span(text);
    if (!span) return fmt::format("'{}' is no time; give one such as 30s, 10m or 2h", text);
    text = std::to_string(span->count());
    return {};
  };
  return CLI::Validator(read, "");
}

}  // namespace call::cmd
