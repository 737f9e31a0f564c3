// A word and when it was said, as recognisers tell it. Pure.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace call::speech {

/// `start` and `end` count from the first sample of the audio that the owner of the word says.
struct TimedWord {
  std::string text;
  std::chrono::milliseconds start{0};
  std::chrono::milliseconds end{0};
};

/// The items of an array {"start": seconds, "end": seconds, `text_key`: text}, as Deepgram, Vosk and
/// OpenAI send it. Items that are none are left out; null is no array.
std::vector<TimedWord> timed_words(const nlohmann::json* array, std::string_view text_key);

/// Puts `more` behind `words`, counted from `origin` on instead of from where they count.
void append_since(std::vector<TimedWord>& words, std::vector<TimedWord> more,
                  std::chrono::milliseconds origin);

}  // namespace call::speech
