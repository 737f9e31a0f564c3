#include "core/speech/timed_word.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/json/json.hpp"

namespace call::speech {
namespace {

/// Nobody says more between two pauses.
constexpr std::size_t kMaxWords = 1000;
constexpr double kDayS = 86400;

std::chrono::milliseconds seconds_at(const Json& item, const char* key) {
  const double seconds = json::get_number_or(item, key, 0).value_or(0);
  return std::chrono::milliseconds(std::llround(std::clamp(seconds, 0.0, kDayS) * 1000));
}

}  // namespace

std::vector<TimedWord> timed_words(const Json* array, std::string_view text_key) {
  std::vector<TimedWord> words;
  if (array == nullptr || !array->is_array()) return words;
  for (const auto& item : *array) {
    if (words.size() == kMaxWords) break;
    if (!item.is_object()) continue;
    TimedWord word{json::get_string_or(item, text_key, "").value_or(""), seconds_at(item, "start"),
                   seconds_at(item, "end")};
    word.end = std::max(word.end, word.start);
    if (!word.text.empty()) words.push_back(std::move(word));
  }
  return words;
}

void append_since(std::vector<TimedWord>& words, std::vector<TimedWord> more,
                  std::chrono::milliseconds origin) {
  for (auto& word : more) {
    word.start = std::max(word.start - origin, std::chrono::milliseconds(0));
    word.end = std::max(word.end - origin, word.start);
    words.push_back(std::move(word));
  }
}

}  // namespace call::speech
