// The stages of a waterfall, once for all who draw or count them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/record/call_record.hpp"

namespace call::record {

/// Each runs from the end of the one before that happened; the first from Waterfall::speech_end_ms.
struct Stage {
  std::string_view key;    ///< label and class name
  std::string_view title;  ///< over a column
  std::string_view name;   ///< for people
  std::optional<std::int64_t> Waterfall::*end;
};

inline constexpr std::array<Stage, 6> kStages = {{
    {"endpoint", "turn over", "silence until the turn counts as over", &Waterfall::endpoint_ms},
    {"transcript", "transcript", "final transcript", &Waterfall::final_transcript_ms},
    {"token", "first token", "first token of a language model", &Waterfall::first_token_ms},
    {"reply", "reply", "reply decided", &Waterfall::reply_ready_ms},
    {"sent", "audio sent", "first audio sent", &Waterfall::first_audio_sent_ms},
    {"heard", "heard", "on the way until heard", &Waterfall::first_heard_ms},
}};

}  // namespace call::record
