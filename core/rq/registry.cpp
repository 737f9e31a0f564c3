#include "core/rq/registry.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/assert.hpp"

namespace call::rq {

void Registry::add(std::string name, Function function) {
  const bool added = functions_.emplace(std::move(name), std::move(function)).second;
  CALL_ASSERT(added);
}

Status Registry::alias(std::string name, std::string_view target) {
  const Function* function = find(target);
  if (function == nullptr)
    return Error{Errc::not_found, fmt::format("{} is no function of this worker; it has {}", target,
                                              fmt::join(names(), ", "))};
  if (find(name) != nullptr) return Error{Errc::conflict, "this worker has it already"};
  functions_.emplace(std::move(name), Function(*function));
  return {};
}

const Function* Registry::find(std::string_view name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : &found->second;
}

std::vector<std::string> Registry::names() const {
  std::vector<std::string> out;
  for (const auto& [name, function] : functions_) out.push_back(name);
  return out;
}

Result<nlohmann::json> noop(JobContext& context) {
  return context.args;
}

}  // namespace call::rq
