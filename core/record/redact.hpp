// Taking private things out of a record: runs of digits (card and account numbers, spoken or keyed)
// and chosen words. Pure.
//
// What it covers is the record: the turns' texts, words and answers. Where the recogniser gave the
// times of the words, the spans that are returned cover exactly them; else, and always for the
// agent's voice, they cover the whole turn. A word that the recogniser misheard is not found: whoever
// must be sure does not record.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/record/call_record.hpp"

namespace call::record {

struct Redaction {
  int digits = 0;  ///< runs of so many digits or more, also as English words; 0: none
  std::vector<std::string> words;  ///< words or phrases, without regard to case
  bool active() const { return digits > 0 || !words.empty(); }
};

inline constexpr std::string_view kRedacted = "[redacted]";

/// The text with every run of digits and every chosen word replaced by kRedacted.
std::string redact_text(std::string_view text, const Redaction& redaction);

/// Replaces them in the record; returns what to silence in the audio, a little wider than the words.
std::vector<Span> redact(CallRecord& record, const Redaction& redaction);

}  // namespace call::record
