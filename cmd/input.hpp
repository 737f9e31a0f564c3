// What a command is given: a file, or standard input; a span of time.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

#include "core/base/result.hpp"

namespace CLI {
class Validator;
}

namespace call::cmd {

/// The whole file; "-" is standard input, read from its descriptor: /dev/stdin would be opened anew, which another user
/// (sudo -u) may not.
Result<std::string> read_input(const std::string& file, std::size_t bytes_max);

/// "2h", "10m", "90s" or "90", in whole seconds, rounded up.
std::optional<std::chrono::seconds> parse_span(const std::string& text);

/// For an option that counts seconds: it takes what parse_span() takes. As transform(), in front of what checks the
/// number.
CLI::Validator as_seconds();

}  // namespace call::cmd
