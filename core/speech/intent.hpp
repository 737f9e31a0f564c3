// Which intent a recognised sentence is: the template that it is nearest to, word by word, with a
// score, or none. Pure and immutable after construction: thread-safe. About 0.05 ms a sentence for
// 50 templates.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/speech/phrases.hpp"

namespace call::speech {

struct IntentMatch {
  std::string intent;
  double score = 0;  ///< 1 for a sentence that a template makes; lower the more weight had to be
                     ///< added or left out
  std::map<std::string, std::string>
      slots;  ///< name -> the words said, "five two"; the last one if it came twice
};

struct IntentOptions {
  double least_score = 0.6;
  double least_lead = 0.05;  ///< over the best other intent
};

class IntentMatcher {
 public:
  static Result<IntentMatcher> create(const PhraseBook& book, const IntentOptions& options = {});
  IntentMatcher(IntentMatcher&&) noexcept;
  IntentMatcher& operator=(IntentMatcher&&) noexcept;
  ~IntentMatcher();

  /// nullopt: nothing is near enough, or two intents are equally near. `among`: only these intents
  /// are considered (what the agent has just asked for); empty means all.
  std::optional<IntentMatch> match(std::string_view text,
                                   const std::vector<std::string>& among = {}) const;

 private:
  struct Impl;
  explicit IntentMatcher(std::unique_ptr<const Impl> impl);
  std::unique_ptr<const Impl> impl_;
};

/// "five two" -> "52", "twelve" -> "12", "oh" is 0, "double seven" -> "77"; nullopt if a word is no
/// number.
std::optional<std::string> digits_of(std::string_view words);
/// One number from zero to ninety-nine in words or figures.
std::optional<int> number_of(std::string_view words);

}  // namespace call::speech
