// What Vosk says, over vosk-server's WebSocket and through libvosk alike. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call::speech {

struct VoskReply {
  bool is_final = false;
  std::string text;       ///< of a final, or the partial
  double confidence = 1;  ///< of the least certain word
};
/// Errc::protocol when it is no JSON object.
Result<VoskReply> parse_vosk(std::string_view message);

}  // namespace call::speech
