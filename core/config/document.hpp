// Inside core/config: a configuration file as a flat list of keys with their lines. The only user
// of toml++ is the .cpp beside it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/value.hpp"

namespace call::config {

struct Entry {
  std::string key;  ///< "section.name", or as deep as the file nests
  RawValue value;
  std::size_t line = 0;
};

/// Errc::invalid_argument "name:line: why" when the text is not TOML.
Result<std::vector<Entry>> read_document(std::string_view text, std::string_view name);

}  // namespace call::config
