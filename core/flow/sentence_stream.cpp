#include "core/flow/sentence_stream.hpp"

#include <algorithm>
#include <array>

#include "core/base/strings.hpp"

namespace call::flow {
namespace {

/// Abbreviations whose full stop is not the sentence's.
constexpr std::array<std::string_view, 16> kAbbreviations = {
    "mr",  "mrs", "ms",     "dr",  "prof", "st", "vs", "no",
    "e.g", "i.e", "approx", "inc", "ltd",  "jr", "sr", "etc"};

constexpr std::array<std::string_view, 5> kWideStops = {"。", "！", "？", "؟", "।"};

bool is_markup(char c) {
  return c == '*' || c == '`' || c == '#' || c == '_' || c == '~';
}

std::string spoken(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_markup(c)) continue;
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (space && (out.empty() || out.back() == ' ')) continue;
    out += space ? ' ' : c;
  }
  return std::string(trim(out));
}

}  // namespace

/// A stop at `at` is a sentence's end if white space follows and what is before is no abbreviation,
/// initial or number of a list.
bool SentenceStream::ends_here(std::size_t at) const {
  const char c = pending_[at];
  if (c == '\n') return true;
  if (c != '.' && c != '!' && c != '?') return false;
  if (at + 1 >= pending_.size()) return false;  // perhaps "3.5"
  const char next = pending_[at + 1];
  const bool closed = next == '"' || next == '\'' || next == ')';
  if (next != ' ' && next != '\n' && !closed) return false;
  if (c != '.') return true;
  const auto space = pending_.find_last_of(" \n", at);
  const auto begin = space == std::string::npos ? 0 : space + 1;
  const auto word = to_lower_ascii(std::string_view(pending_).substr(begin, at - begin));
  const bool number_of_a_list =
      begin == 0 && !word.empty() &&
      std::ranges::all_of(word, [](char d) { return d >= '0' && d <= '9'; });
  return word.size() > 1 && !number_of_a_list &&
         std::ranges::find(kAbbreviations, word) == kAbbreviations.end();
}

std::string SentenceStream::take(std::size_t end) {
  auto sentence = spoken(std::string_view(pending_).substr(0, end));
  pending_.erase(0, end);
  pending_.erase(0, std::min(pending_.find_first_not_of(" \n"), pending_.size()));
  return sentence;
}

std::vector<std::string> SentenceStream::push(std::string_view text) {
  std::vector<std::string> sentences;
  const auto add = [&](std::string sentence) {
    if (!sentence.empty()) sentences.push_back(std::move(sentence));
  };
  pending_ += text;
  for (std::size_t at = 0; at < pending_.size(); ++at) {
    if (ends_here(at)) {
      const bool closed =
          at + 1 < pending_.size() && pending_[at] != '\n' &&
          (pending_[at + 1] == '"' || pending_[at + 1] == '\'' || pending_[at + 1] == ')');
      add(take(at + (closed ? 2 : 1)));
      at = static_cast<std::size_t>(-1);
      continue;
    }
    for (const auto stop : kWideStops) {
      if (!std::string_view(pending_).substr(at).starts_with(stop)) continue;
      add(take(at + stop.size()));
      at = static_cast<std::size_t>(-1);
      break;
    }
  }
  if (pending_.size() > kLongest) {
    auto cut = pending_.rfind(", ", kLongest);
    if (cut == std::string::npos || cut < kLongest / 4) cut = pending_.rfind(' ', kLongest);
    if (cut != std::string::npos && cut > 0) add(take(cut + 1));
  }
  return sentences;
}

std::string SentenceStream::finish() {
  return take(pending_.size());
}

}  // namespace call::flow
