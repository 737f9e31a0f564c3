#include "core/flow/text_timeline.hpp"

#include <algorithm>

#include "core/base/strings.hpp"

namespace call::flow {
namespace {

/// Of English speech, until the first mark tells better.
constexpr double kCharsPerMs = 0.015;

}  // namespace

void TextTimeline::add(const speech::TextMark& mark) {
  const auto before = last();
  if (mark.ms < before.ms || mark.chars < before.chars) return;
  if (!marks_.empty() && mark.ms == before.ms) marks_.pop_back();
  marks_.push_back(mark);
}

std::size_t TextTimeline::chars_at(std::int64_t ms, std::size_t size) const {
  if (ms <= 0) return 0;
  const auto next = std::ranges::find_if(marks_, [&](const auto& mark) { return mark.ms >= ms; });
  const auto before = next == marks_.begin() ? speech::TextMark() : *(next - 1);
  double pace = kCharsPerMs;
  if (next != marks_.end()) {
    const auto span = static_cast<double>(next->ms - before.ms);
    pace = span <= 0 ? 0 : static_cast<double>(next->chars - before.chars) / span;
    if (ms == next->ms) return std::min(next->chars, size);
  } else if (before.ms > 0) {
    pace = static_cast<double>(before.chars) / static_cast<double>(before.ms);
  }
  const auto more = static_cast<std::size_t>(static_cast<double>(ms - before.ms) * pace);
  return std::min(before.chars + more, size);
}

std::string TextTimeline::heard(std::string_view text, std::int64_t ms) const {
  const auto end = chars_at(ms, text.size());
  if (end >= text.size()) return std::string(trim(text));
  const bool whole_word = end > 0 && (text[end] == ' ' || text[end - 1] == ' ');
  const auto space = text.substr(0, end).rfind(' ');
  if (whole_word) return std::string(trim(text.substr(0, end)));
  return space == std::string_view::npos ? std::string() : std::string(trim(text.substr(0, space)));
}

}  // namespace call::flow
