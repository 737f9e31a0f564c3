// What goes wrong at the carrier on demand: which create meets which fault, the same each time for
// the same seed. Thread-safe.
//
//   [carrier]
//   answer_delay_ms = 100             # of every answer of the REST API
//   list_lag_ms = 2000                # a new call is missing from lists for so long
//
//   [[fault]]                         # a create meets the first fault that fits it
//   number = "+12025550101"           # the callee; absent: every number
//   share = 0.05                      # of the creates that fit; absent: all
//   times = 1                         # so often for each number; absent: always
//   create = "reset"                  # what happens to the create's answer
//   webhooks = "double"               # what happens to the call's webhooks
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/guarded.hpp"
#include "core/base/result.hpp"

namespace call::sim {

/// The call was accepted, but for `throttle`, and `error` when it says so.
enum class CreateFault {
  none,
  drop,       ///< no answer: the connection is closed
  reset,      ///< no answer: the connection is reset
  half,       ///< half of the answer, then the end of the stream
  truncated,  ///< 201 whose JSON breaks off
  invalid,    ///< 201 without a call SID
  throttle,   ///< 429 with Retry-After; never accepted
  error,      ///< a 5xx, accepted or not
};

enum class HookFault {
  none,
  lose,     ///< sent and never received
  twice,    ///< each comes again
  reorder,  ///< each takes its own time, up to webhook_delay
  delay,    ///< webhook_delay before each
  early,    ///< the first comes before the create is answered
};

/// What one create meets.
struct Faults {
  CreateFault create = CreateFault::none;
  std::chrono::milliseconds answer_delay{0};
  int status = 500;      ///< of `error`
  bool accepted = true;  ///< `error`
  int retry_after_s = 1;
  HookFault webhooks = HookFault::none;
  double webhook_share = 1;  ///< of the call's webhooks that meet the fault
  std::chrono::milliseconds webhook_delay{500};
  std::chrono::milliseconds list_lag{0};
  std::uint64_t dice = 0;  ///< for what is random about them

  bool is_accepted() const;
};

struct FaultRule {
  std::string number;  ///< empty: every number
  double share = 1;
  int times = 0;  ///< 0: always
  Faults faults;
};

class FaultPlan {
 public:
  /// The script's tables `carrier` and `fault`, or the body of POST /sim/faults.
  /// Errc::invalid_argument names the fault and the key.
  Status add(const nlohmann::json& document);
  /// Forgets all rules.
  void clear();
  void set_seed(std::uint64_t seed);

  Faults draw(const std::string& number);
  /// Of every answer that is not a create's.
  std::chrono::milliseconds answer_delay() const;

 private:
  struct State {
    std::uint64_t seed = 1;
    Faults usual;
    std::vector<FaultRule> general;
    std::unordered_map<std::string, std::vector<FaultRule>> by_number;
    std::unordered_map<std::string, std::uint64_t> creates;  ///< of each number, so far
    std::size_t rules = 0;
  };
  Guarded<State> state_;
};

/// 0 to below 1, the same for the same arguments.
double throw_dice(std::uint64_t seed, std::string_view what, std::uint64_t n);

}  // namespace call::sim
