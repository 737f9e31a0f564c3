// flite reads ASCII English. Everything else in a prompt (a contact's name in Hebrew, an emoji)
// would be skipped or spelled as bytes, so it is taken out here, and the caller can see what.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/strings.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::speech {
namespace {

struct Fold {
  std::string_view from;
  std::string_view to;
};

// Latin-1 and the commonest of Latin Extended-A, typographic signs, and the signs that are words.
constexpr auto kFolds = std::to_array<Fold>({
    {"À", "A"},         {"Á", "A"},
    {"Â", "A"},         {"Ã", "A"},
    {"Ä", "A"},         {"Å", "A"},
    {"Æ", "AE"},        {"Ç", "C"},
    {"È", "E"},         {"É", "E"},
    {"Ê", "E"},         {"Ë", "E"},
    {"Ì", "I"},         {"Í", "I"},
    {"Î", "I"},         {"Ï", "I"},
    {"Ñ", "N"},         {"Ò", "O"},
    {"Ó", "O"},         {"Ô", "O"},
    {"Õ", "O"},         {"Ö", "O"},
    {"Ø", "O"},         {"Ù", "U"},
    {"Ú", "U"},         {"Û", "U"},
    {"Ü", "U"},         {"Ý", "Y"},
    {"ß", "ss"},        {"à", "a"},
    {"á", "a"},         {"â", "a"},
    {"ã", "a"},         {"ä", "a"},
    {"å", "a"},         {"æ", "ae"},
    {"ç", "c"},         {"è", "e"},
    {"é", "e"},         {"ê", "e"},
    {"ë", "e"},         {"ì", "i"},
    {"í", "i"},         {"î", "i"},
    {"ï", "i"},         {"ñ", "n"},
    {"ò", "o"},         {"ó", "o"},
    {"ô", "o"},         {"õ", "o"},
    {"ö", "o"},         {"ø", "o"},
    {"ù", "u"},         {"ú", "u"},
    {"û", "u"},         {"ü", "u"},
    {"ý", "y"},         {"ÿ", "y"},
    {"Ā", "A"},         {"ā", "a"},
    {"ă", "a"},         {"Ą", "A"},
    {"ą", "a"},         {"Ć", "C"},
    {"ć", "c"},         {"Č", "C"},
    {"č", "c"},         {"ď", "d"},
    {"Đ", "D"},         {"đ", "d"},
    {"ē", "e"},         {"Ę", "E"},
    {"ę", "e"},         {"ě", "e"},
    {"ğ", "g"},         {"ī", "i"},
    {"İ", "I"},         {"ı", "i"},
    {"Ł", "L"},         {"ł", "l"},
    {"Ń", "N"},         {"ń", "n"},
    {"ň", "n"},         {"ō", "o"},
    {"Ő", "O"},         {"ő", "o"},
    {"Œ", "OE"},        {"œ", "oe"},
    {"ř", "r"},         {"Ř", "R"},
    {"Ś", "S"},         {"ś", "s"},
    {"Ş", "S"},         {"ş", "s"},
    {"Š", "S"},         {"š", "s"},
    {"ť", "t"},         {"ū", "u"},
    {"ů", "u"},         {"ű", "u"},
    {"Ź", "Z"},         {"ź", "z"},
    {"Ż", "Z"},         {"ż", "z"},
    {"Ž", "Z"},         {"ž", "z"},
    {"‘", "'"},         {"’", "'"},
    {"‚", ","},         {"“", "\""},
    {"”", "\""},        {"„", "\""},
    {"«", "\""},        {"»", "\""},
    {"–", ", "},        {"—", ", "},
    {"…", "..."},       {"\u00a0", " "},
    {"€", " euros "},   {"£", " pounds "},
    {"°", " degrees "}, {"½", " and a half "},
    {"×", " times "},
});

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_mark(char c) {
  return std::string_view(".,!?;:").find(c) != std::string_view::npos;
}

std::size_t character_length(char first) {
  const auto byte = static_cast<std::uint8_t>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

bool has_word(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
}

/// One space between words, none before a mark, and of marks left side by side by a gap only the
/// last.
std::string tidy(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_space(c)) {
      if (!out.empty() && out.back() != ' ') out.push_back(' ');
      continue;
    }
    if (is_mark(c)) {
      const bool gap = !out.empty() && out.back() == ' ';
      while (!out.empty() && (out.back() == ' ' || (gap && is_mark(out.back())))) out.pop_back();
      if (out.empty()) continue;
    }
    out.push_back(c);
  }
  return std::string(trim(out));
}

}  // namespace

Speakable speakable(std::string_view utf8) {
  const std::string valid = to_valid_utf8(utf8);
  Speakable result;
  std::string kept;
  std::string_view rest = valid;
  bool in_gap = false;
  while (!rest.empty()) {
    const std::string_view character = rest.substr(0, character_length(rest.front()));
    rest.remove_prefix(character.size());
    const char first = character.front();
    if (character.size() == 1) {
      const bool printable = first >= ' ' && first <= '~';
      kept.push_back(printable ? first : ' ');
      in_gap = false;
      continue;
    }
    const auto* fold = std::find_if(kFolds.begin(), kFolds.end(),
                                    [&](const Fold& f) { return f.from == character; });
    if (fold != kFolds.end()) {
      kept += fold->to;
      in_gap = false;
      continue;
    }
    if (!in_gap && !result.dropped.empty()) result.dropped.push_back(' ');
    result.dropped += character;
    in_gap = true;
  }
  result.text = tidy(kept);
  if (!has_word(result.text)) result.text.clear();
  return result;
}

}  // namespace call::speech
