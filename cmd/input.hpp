// What a command is given: a file, or standard input; a span of time.
#pragma once

#include <cstddef>
#include <string>

#include "core/base/result.hpp"

namespace CLI {
class Validator;
}

namespace call::cmd {

/// The whole file; "-" is standard input, read from its descriptor: /dev/stdin would be opened anew, which another user
/// (sudo -u) may not.
Result<std::string> read_input(const std::string& file, std::size_t bytes_max);

/// For an option that counts seconds: "2h", "10m" and "90s" are as good as "7200", "600" and "90". As transform(), in
/// front of what checks the number.
CLI::Validator as_seconds();

}  // namespace call::cmd
