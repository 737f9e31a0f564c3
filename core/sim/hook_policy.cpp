#include "core/sim/hook_policy.hpp"

#include "core/base/strings.hpp"

namespace call::sim {
namespace {

void read_policies(std::string_view list, HookPolicy& policy) {
  policy.on_connect = false;
  for (const auto word : split(list, ',')) {
    const bool all = word == "all";
    policy.on_connect |= all || word == "ct";
    policy.on_read |= all || word == "rt";
    policy.on_4xx |= all || word == "4xx";
    policy.on_5xx |= all || word == "5xx";
  }
}

}  // namespace

bool HookPolicy::covers(HookFailure failure) const {
  switch (failure) {
    case HookFailure::connect:
      return on_connect;
    case HookFailure::read:
      return on_read;
    case HookFailure::client_error:
      return on_4xx;
    case HookFailure::server_error:
      return on_5xx;
  }
  return false;
}

HookPolicy parse_hook_policy(std::string_view url) {
  HookPolicy policy;
  const auto fragment = url.find('#');
  if (fragment == std::string_view::npos) return policy;
  for (const auto parameter : split(url.substr(fragment + 1), '&')) {
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos) continue;
    const auto name = parameter.substr(0, equals);
    const auto value = parameter.substr(equals + 1);
    const auto number = parse_number<int>(value);
    if (name == "rp") read_policies(value, policy);
    if (name == "rc" && number && *number >= 0 && *number <= 5) policy.retries = *number;
    if (name == "tt" && number && *number >= 100 && *number <= 15000)
      policy.total = std::chrono::milliseconds(*number);
  }
  return policy;
}

std::string_view without_fragment(std::string_view url) {
  return url.substr(0, url.find('#'));
}

}  // namespace call::sim
