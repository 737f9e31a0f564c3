#include "core/sim/table.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace call::sim {

Error invalid(std::string text) {
  return {Errc::invalid_argument, std::move(text)};
}

Status known_keys(const Json& table, std::initializer_list<std::string_view> keys) {
  for (const auto& [key, value] : table.items())
    if (std::find(keys.begin(), keys.end(), key) == keys.end())
      return invalid("unknown key '" + key + "'");
  return {};
}

}  // namespace call::sim
