// May this number be called now, and if not, when? Every answer has its reason. What cannot be known
// counts as no. Pure but for find_zone().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/policy/policy.hpp"
#include "core/policy/zone.hpp"

namespace call::policy {

/// A call to the number in the past, or one that is up.
struct PastCall {
  UtcTime at;
  bool conversation = false;  ///< a person took it
  bool abandoned = false;     ///< and heard nothing within two seconds
};

struct Facts {
  UtcTime now;
  std::string number;           ///< E.164
  std::string zone;             ///< of the callee when it is known; empty: by the number
  std::vector<PastCall> calls;  ///< of Policy::memory(), by any list of the tenant
  std::string dnc;              ///< the do-not-call rule that matches, empty if none
  std::optional<UtcTime> registry_read_at;  ///< when Policy::registry was last imported
};

enum class Verdict { go, wait, never };

/// One question with its answer.
struct Check {
  std::string_view name;  ///< dnc, hours, attempts, after_conversation, after_abandoned, registry
  Verdict verdict = Verdict::go;
  /// Stable word of a "no": dnc, zone_unknown, zone_unavailable, no_hours, holiday, window, cap,
  /// after_conversation, after_abandoned, registry_stale.
  std::string_view reason;
  std::string detail;            ///< for people
  std::optional<UtcTime> until;  ///< of a wait: when to ask again
};

/// All questions that the policy asks, in the order of their weight.
std::vector<Check> review(const Policy& policy, const Facts& facts);

struct Decision {
  Verdict verdict = Verdict::go;
  std::string_view reason;
  std::string detail;
  UtcTime at;  ///< go and wait: the first moment at which every check says go, as far as known now
};
Decision decide(const Policy& policy, const Facts& facts);

}  // namespace call::policy
