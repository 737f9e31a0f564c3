// What Vosk says, over vosk-server's WebSocket and through libvosk alike. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/speech/timed_word.hpp"

namespace call::speech {

struct VoskReply {
  bool is_final = false;
  std::string text;              ///< of a final, or the partial
  double confidence = 1;         ///< of the least certain word
  std::vector<TimedWord> words;  ///< from the first sample that the recogniser was ever given
};
/// Errc::protocol when it is no JSON object.
Result<VoskReply> parse_vosk(std::string_view message);

}  // namespace call::speech
