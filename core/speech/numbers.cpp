#include <array>
#include <utility>

#include "core/speech/intent.hpp"

namespace call::speech {
namespace {

constexpr auto kSmall = std::to_array<std::pair<std::string_view, int>>(
    {{"zero", 0},      {"oh", 0},       {"one", 1},      {"two", 2},        {"three", 3},
     {"four", 4},      {"five", 5},     {"six", 6},      {"seven", 7},      {"eight", 8},
     {"nine", 9},      {"ten", 10},     {"eleven", 11},  {"twelve", 12},    {"thirteen", 13},
     {"fourteen", 14}, {"fifteen", 15}, {"sixteen", 16}, {"seventeen", 17}, {"eighteen", 18},
     {"nineteen", 19}});
constexpr auto kTens = std::to_array<std::pair<std::string_view, int>>({{"twenty", 20},
                                                                        {"thirty", 30},
                                                                        {"forty", 40},
                                                                        {"fifty", 50},
                                                                        {"sixty", 60},
                                                                        {"seventy", 70},
                                                                        {"eighty", 80},
                                                                        {"ninety", 90}});

template <class Table>
std::optional<int> look_up(const Table& table, std::string_view word) {
  for (const auto& [name, value] : table) {
    if (name == word) return value;
  }
  return std::nullopt;
}

/// The number that begins at words[at], which moves past it: "twenty one" is one number.
std::optional<int> take_number(const std::vector<std::string>& words, std::size_t& at) {
  if (at == words.size()) return std::nullopt;
  if (const auto small = look_up(kSmall, words[at])) {
    ++at;
    return small;
  }
  const auto tens = look_up(kTens, words[at]);
  if (!tens) return std::nullopt;
  ++at;
  const auto ones = at < words.size() ? look_up(kSmall, words[at]) : std::nullopt;
  if (!ones || *ones == 0 || *ones > 9) return tens;
  ++at;
  return *tens + *ones;
}

}  // namespace

std::optional<std::string> digits_of(std::string_view text) {
  const auto words = normalise_words(text);
  std::string out;
  for (std::size_t at = 0; at < words.size();) {
    const bool twice = words[at] == "double";
    if (twice) ++at;
    const auto number = take_number(words, at);
    if (!number || (twice && *number > 9)) return std::nullopt;
    out += std::to_string(*number);
    if (twice) out += std::to_string(*number);
  }
  if (out.empty()) return std::nullopt;
  return out;
}

std::optional<int> number_of(std::string_view text) {
  // Figures are one number here ("42"), not a row of digits as in normalise_words().
  int value = 0;
  std::size_t figures = 0;
  for (const char c : text) {
    if (c < '0' || c > '9' || figures == 2) break;
    value = value * 10 + (c - '0');
    ++figures;
  }
  if (figures > 0 && figures == text.size()) return value;
  const auto words = normalise_words(text);
  std::size_t at = 0;
  const auto number = take_number(words, at);
  return at == words.size() ? number : std::nullopt;
}

}  // namespace call::speech
