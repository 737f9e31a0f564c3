// A text is cut into words; a mark is set on each word that is part of a run of digits or of a chosen
// phrase; marked neighbours become one kRedacted. Letters beyond ASCII are parts of words and are
// compared as they are, so a phrase in another script has to be given
// in the case in which it is spoken.
#include "core/record/redact.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "core/base/strings.hpp"

namespace call::record {
namespace {

/// Around a masked span: a recogniser's word borders are good to a few frames.
constexpr std::int64_t kMarginMs = 80;
/// A keyed digit's tone, if the carrier lets it through.
constexpr std::int64_t kToneMs = 300;

struct Token {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool marked = false;
};

/// Bytes of the word's letter at `i`; 0: there is none. Typographic punctuation (U+2000 to U+207F) is
/// no letter.
std::size_t letter_at(std::string_view text, std::size_t i) {
  const char c = text[i];
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'') {
    return 1;
  }
  if (static_cast<unsigned char>(c) < 0x80) return 0;
  const auto two = text.substr(i, 2);
  return two == "\xe2\x80" || two == "\xe2\x81" ? 0 : 1;
}

std::size_t skip_at(std::string_view text, std::size_t i) {
  return text[i] == '\xe2' ? std::min<std::size_t>(3, text.size() - i) : 1;
}

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < text.size();) {
    if (letter_at(text, i) == 0) {
      i += skip_at(text, i);
      continue;
    }
    const auto begin = i;
    while (i < text.size() && letter_at(text, i) > 0) ++i;
    tokens.push_back({begin, i, false});
  }
  return tokens;
}

/// How many digits a word stands for; 0: it is no number.
int digits_in(std::string_view word) {
  static constexpr std::array<std::string_view, 12> kOne = {
      "zero", "oh", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
  static constexpr std::array<std::string_view, 18> kTwo = {
      "ten",     "eleven",    "twelve",   "thirteen", "fourteen", "fifteen",
      "sixteen", "seventeen", "eighteen", "nineteen", "twenty",   "thirty",
      "forty",   "fifty",     "sixty",    "seventy",  "eighty",   "ninety"};
  if (word.find_first_not_of("0123456789") == std::string_view::npos) {
    return static_cast<int>(std::min<std::size_t>(word.size(), 1000));
  }
  const auto lower = to_lower_ascii(word);
  if (std::ranges::find(kOne, lower) != kOne.end()) return 1;
  return std::ranges::find(kTwo, lower) != kTwo.end() ? 2 : 0;
}

/// "double four", "triple nine": one digit more, two more.
int repeats_in(std::string_view word) {
  const auto lower = to_lower_ascii(word);
  return lower == "double" ? 1 : lower == "triple" ? 2 : 0;
}

/// What may stand between the digits of one number.
bool joins_digits(std::string_view between) {
  return between.find_first_not_of(" -.,/()+") == std::string_view::npos;
}

void mark_digits(std::string_view text, std::vector<Token>& tokens, int least) {
  for (std::size_t i = 0; i < tokens.size();) {
    std::size_t end = i;
    int digits = 0;
    for (; end < tokens.size(); ++end) {
      const auto& token = tokens[end];
      const auto word = text.substr(token.begin, token.end - token.begin);
      const int more = digits_in(word) + repeats_in(word);
      if (more == 0) break;
      if (end > i &&
          !joins_digits(text.substr(tokens[end - 1].end, token.begin - tokens[end - 1].end)))
        break;
      digits += more;
    }
    if (digits >= least) {
      for (std::size_t k = i; k < end; ++k) tokens[k].marked = true;
    }
    i = std::max(end, i + 1);
  }
}

void mark_phrase(std::string_view text, std::vector<Token>& tokens, std::string_view phrase) {
  std::vector<std::string> wanted;
  for (const auto& token : tokens_of(phrase)) {
    wanted.push_back(to_lower_ascii(phrase.substr(token.begin, token.end - token.begin)));
  }
  if (wanted.empty()) return;
  for (std::size_t i = 0; i + wanted.size() <= tokens.size(); ++i) {
    const bool same = std::ranges::equal(
        wanted, std::span(tokens).subspan(i, wanted.size()), {}, {}, [&](const Token& token) {
          return to_lower_ascii(text.substr(token.begin, token.end - token.begin));
        });
    if (!same) continue;
    for (std::size_t k = i; k < i + wanted.size(); ++k) tokens[k].marked = true;
  }
}

std::vector<Token> marked_tokens(std::string_view text, const Redaction& redaction) {
  auto tokens = tokens_of(text);
  if (redaction.digits > 0) mark_digits(text, tokens, redaction.digits);
  for (const auto& phrase : redaction.words) mark_phrase(text, tokens, phrase);
  return tokens;
}

/// The recogniser gave the times of all that it understood, not only of a part.
bool are_whole(const std::vector<Word>& words, std::string_view text) {
  std::string joined;
  for (const auto& word : words) joined += word.text + " ";
  const auto a = tokens_of(joined);
  const auto b = tokens_of(text);
  return std::ranges::equal(a, b, [&](const Token& x, const Token& y) {
    return to_lower_ascii(std::string_view(joined).substr(x.begin, x.end - x.begin)) ==
           to_lower_ascii(text.substr(y.begin, y.end - y.begin));
  });
}

/// The turn's words as one text, redacted; their spans go to `out`. False: nothing was found.
bool redact_words(Turn& turn, const Redaction& redaction, std::vector<Span>& out) {
  std::string text;
  std::vector<std::size_t> ends;
  for (const auto& word : turn.words) {
    text += (text.empty() ? "" : " ") + word.text;
    ends.push_back(text.size());
  }
  bool found = false;
  for (const auto& token : marked_tokens(text, redaction)) {
    if (!token.marked) continue;
    const auto at = std::ranges::lower_bound(ends, token.end) - ends.begin();
    auto& word = turn.words[static_cast<std::size_t>(at)];
    word.text = kRedacted;
    out.push_back({turn.who, word.start_ms - kMarginMs, word.end_ms + kMarginMs});
    found = true;
  }
  return found;
}

void redact_spoken(Turn& turn, const Redaction& redaction, std::vector<Span>& out) {
  const auto before = turn.text;
  const auto heard = turn.heard_text;
  turn.text = redact_text(before, redaction);
  turn.heard_text = redact_text(heard, redaction);
  const bool whole = are_whole(turn.words, before);
  const bool found = redact_words(turn, redaction, out);
  const bool changed = turn.text != before || turn.heard_text != heard;
  if (changed && !(found && whole)) {
    out.push_back({turn.who, turn.start_ms - kMarginMs, turn.end_ms + kMarginMs});
  }
}

/// Keys arrive one a turn: a run of them is a number.
void redact_keyed(std::vector<Turn>& turns, int least, std::vector<Span>& out) {
  std::vector<Turn*> run;
  const auto close = [&] {
    if (least > 0 && run.size() >= static_cast<std::size_t>(least)) {
      for (auto* turn : run) {
        turn->text = kRedacted;
        out.push_back({turn->who, turn->start_ms - kToneMs, turn->end_ms + kToneMs});
      }
    }
    run.clear();
  };
  for (auto& turn : turns) {
    if (turn.who == Speaker::agent) continue;
    if (turn.digits) {
      run.push_back(&turn);
    } else {
      close();
    }
  }
  close();
}

/// In order, overlapping ones joined, none before the call's start.
std::vector<Span> joined(std::vector<Span> spans) {
  std::ranges::sort(spans, {}, [](const Span& s) { return std::pair(s.track, s.start_ms); });
  std::vector<Span> out;
  for (auto span : spans) {
    span.start_ms = std::max<std::int64_t>(span.start_ms, 0);
    if (!out.empty() && out.back().track == span.track && span.start_ms <= out.back().end_ms) {
      out.back().end_ms = std::max(out.back().end_ms, span.end_ms);
    } else {
      out.push_back(span);
    }
  }
  return out;
}

}  // namespace

std::string redact_text(std::string_view text, const Redaction& redaction) {
  std::string out;
  std::size_t copied = 0;
  bool open = false;
  for (const auto& token : marked_tokens(text, redaction)) {
    if (!token.marked) {
      open = false;
      continue;
    }
    if (!open) {
      out += text.substr(copied, token.begin - copied);
      out += kRedacted;
    }
    copied = token.end;
    open = true;
  }
  out += text.substr(copied);
  return out;
}

std::vector<Span> redact(CallRecord& record, const Redaction& redaction) {
  if (!redaction.active()) return {};
  std::vector<Span> spans;
  redact_keyed(record.turns, redaction.digits, spans);
  for (auto& turn : record.turns) {
    if (!turn.digits) redact_spoken(turn, redaction, spans);
  }
  for (auto& [slot, value] : record.answers) value = redact_text(value, redaction);
  return joined(std::move(spans));
}

}  // namespace call::record
