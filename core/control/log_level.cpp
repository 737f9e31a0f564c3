#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/control/control.hpp"
#include "core/log/log.hpp"

namespace call::control {
namespace {

Status apply(const Json& request) {
  CALL_TRY(const auto spec, json::get_string_or(request, "spec", ""));
  if (!spec.empty()) return log::set_levels(spec);
  CALL_TRY(const auto name, json::get_string_or(request, "level", ""));
  if (name.empty()) return {};
  CALL_TRY(const auto module, json::get_string_or(request, "module", "*"));
  const auto level = log::parse_level(name);
  if (!level) return log::set_levels(name);  // for its error text
  return log::set_level(module, *level);
}

}  // namespace

Result<Json> log_level_handler(const Json& request) {
  CALL_CHECK(apply(request));
  Json levels = Json::object();
  for (const auto& [module, level] : log::levels()) levels[std::string(module)] = to_string(level);
  return Json{{"levels", std::move(levels)}};
}

}  // namespace call::control
