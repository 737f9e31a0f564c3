// A calling policy: when, how often and how a person may be called, as data. Written as TOML by
// operators (docs/policy.md), kept as JSON in the store, read here. Pure.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/policy/hours.hpp"

namespace call::policy {

/// At most so many calls to one number, over all lists of the tenant, in any span of that length.
struct Cap {
  int calls = 1;
  std::chrono::seconds within{0};
};

/// What follows one outcome of a call.
struct Retry {
  std::vector<std::chrono::seconds> after;  ///< pause before the 2nd, 3rd ... try; the last repeats
  std::optional<int> max_attempts;          ///< none: the list's
};

/// A list pauses itself when too many of its latest calls failed.
struct Breaker {
  double failed_percent = 50;
  std::chrono::seconds within{120};
  int least_calls = 5;
};

/// A list pauses itself when too many of those who answered heard nothing for two seconds.
struct AbandonLimit {
  double at_most_percent = 3;
  std::chrono::hours over{24};
  int least_calls = 20;
};

/// A do-not-call registry whose copy (`callctl dnc import --registry`) must not be too old.
struct RegistryRule {
  std::string name;
  std::chrono::seconds at_most_old{0};
};

/// The default-constructed one allows everything.
struct Policy {
  std::string description;
  std::optional<Hours> hours;  ///< none: at any time
  std::vector<Cap> caps;
  std::chrono::seconds after_conversation{0};  ///< no call for so long after one that a person took
  std::chrono::seconds after_abandoned{0};  ///< nor after one that a person took and heard nothing
  std::map<std::string, Retry, std::less<>> retry;  ///< busy, no_answer, failed, machine
  std::chrono::seconds ring_at_least{15};
  std::optional<Breaker> breaker;
  std::optional<AbandonLimit> abandoned;
  std::optional<RegistryRule> registry;

  /// How far back the calls to a number matter.
  std::chrono::seconds memory() const;
};

/// The stored form. Errc::invalid_argument names the key and says what it may be.
Result<Policy> parse_policy(std::string_view json);
/// An operator's file: the stored form, after it was checked. Errc::invalid_argument names the line
/// or key.
Result<std::string> policy_from_toml(std::string_view toml, std::string_view file);

struct Preset {
  std::string_view name;  ///< "us-tsr"
  std::string_view toml;  ///< with the source of each number beside it
};
/// Starting points by country, in the binary.
const std::vector<Preset>& presets();
/// nullptr: there is none of that name.
const Preset* find_preset(std::string_view name);

}  // namespace call::policy
