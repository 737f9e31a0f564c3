#include "core/sim/amd.hpp"

#include <algorithm>

namespace call::sim {
namespace {

Verdict undisturbed(const AmdRequest& request, const CallerScript& callee,
                    std::chrono::milliseconds greeting) {
  using carrier::AnsweredBy;
  if (callee.pickup != Pickup::voicemail) {
    // A short "Hello?" and then silence is a person; nothing at all is anybody's guess.
    if (greeting.count() > 0) return {AnsweredBy::human, greeting + request.speech_end_threshold};
    return {AnsweredBy::unknown, request.silence_timeout};
  }
  if (!request.message_end)
    return {AnsweredBy::machine_start, std::min(greeting, request.speech_threshold)};
  if (callee.beep) return {AnsweredBy::machine_end_beep, greeting};
  return {AnsweredBy::machine_end_silence, greeting + request.speech_end_threshold};
}

}  // namespace

Verdict detect(const AmdRequest& request, const CallerScript& callee,
               std::chrono::milliseconds greeting) {
  const auto verdict = undisturbed(request, callee, greeting);
  if (verdict.after <= request.timeout) return verdict;
  return {carrier::AnsweredBy::unknown, request.timeout};
}

}  // namespace call::sim
