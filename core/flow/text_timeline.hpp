// Which part of a text has been spoken when so much of its audio has been heard. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/speech/engines.hpp"

namespace call::flow {

class TextTimeline {
 public:
  /// Marks must come in order; others are ignored.
  void add(const speech::TextMark& mark);
  /// Bytes of a text of `size` bytes that are spoken after `ms`. Between marks as a straight line,
  /// behind the last one at the pace so far.
  std::size_t chars_at(std::int64_t ms, std::size_t size) const;
  /// The words that were heard after `ms`; never a part of a word.
  std::string heard(std::string_view text, std::int64_t ms) const;
  /// The last mark, or the beginning.
  speech::TextMark last() const { return marks_.empty() ? speech::TextMark() : marks_.back(); }

 private:
  std::vector<speech::TextMark> marks_;
};

}  // namespace call::flow
