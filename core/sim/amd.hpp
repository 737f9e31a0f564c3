// Answering machine detection as Twilio parameterises it, applied to what the script says the
// callee is. Pure.
#pragma once

#include <chrono>

#include "core/sim/model.hpp"
#include "core/sim/script.hpp"

namespace call::sim {

struct Verdict {
  carrier::AnsweredBy who = carrier::AnsweredBy::unknown;
  std::chrono::milliseconds after{0};  ///< the answer
};

/// `greeting`: how long the callee speaks first, the beep included; 0 when it waits for the other
/// side.
Verdict detect(const AmdRequest& request, const CallerScript& callee,
               std::chrono::milliseconds greeting);

}  // namespace call::sim
