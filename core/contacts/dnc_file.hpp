// Do-not-call lists out of files, as registries give them out and people keep them. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace call::contacts {

/// The rule for what somebody wrote: a number as E.164, or the beginning of some ("+1900*"). nullopt: it is neither.
/// `region` as in to_e164(). What libphonenumber does not take for a valid number may still be a rule: registries list
/// numbers that were given back.
std::optional<std::string> to_dnc_pattern(std::string_view text, std::string_view region);

struct DncFile {
  static constexpr std::size_t kMistakesKept = 20;

  std::vector<std::string> patterns;  ///< each once, in the file's order
  std::size_t invalid = 0;            ///< lines that are no rule
  std::vector<std::string> mistakes;  ///< the first of them: "line 7: 'what it says'"
};

/// One number or pattern a line; of a line with commas, semicolons or tabs the first field, with or without quotation
/// marks. '#' begins a comment. The first line that says something is a heading when it has no digit. A byte order mark
/// is dropped.
DncFile read_dnc_file(std::string_view text, std::string_view region);

}  // namespace call::contacts
