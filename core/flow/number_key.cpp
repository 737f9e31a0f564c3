#include "core/flow/number_key.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/json/json.hpp"

namespace call::flow {

Result<std::optional<std::int64_t>> number_at(const nlohmann::json& file, const std::string& path,
                                              std::int64_t least, std::int64_t most,
                                              const MakeFault& fault) {
  const auto* value = json::find(file, path);
  if (value == nullptr) return std::optional<std::int64_t>();
  if (!value->is_number_integer()) return fault(path, "must be a whole number");
  const auto number = value->get<std::int64_t>();
  if (number < least || number > most)
    return fault(path, fmt::format("must be between {} and {}", least, most));
  return std::optional(number);
}

}  // namespace call::flow
