// A trigram language model out of example sentences, and the pronunciations of its words. Pure, but
// for reading the dictionary file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace call::speech {

/// Interpolated Witten-Bell trigram (Witten and Bell 1991), in closed vocabulary.
class LanguageModel {
 public:
  explicit LanguageModel(const std::vector<std::vector<std::string>>& sentences);

  /// P(word | history), the last two words of history count. "<s>" opens a sentence, "</s>" ends
  /// it. For any history the probabilities of the vocabulary and "</s>" sum to 1.
  double probability(const std::string& word, const std::vector<std::string>& history) const;
  /// The words, without the two sentence marks.
  const std::set<std::string>& vocabulary() const { return vocabulary_; }
  /// The model in ARPA format, back-off form.
  std::string to_arpa() const;

 private:
  struct History {
    double total = 0;  ///< tokens seen after it
    double types = 0;  ///< different ones
    std::map<std::string, double> next;
    double mass() const { return total + types; }
  };
  double unigram(const std::string& word) const;
  double bigram(const std::string& before, const std::string& word) const;
  double trigram(const std::string& first, const std::string& before,
                 const std::string& word) const;

  std::set<std::string> vocabulary_;
  std::map<std::string, double> counts_;
  double total_ = 0;
  std::map<std::string, History> after_one_;
  std::map<std::pair<std::string, std::string>, History> after_two_;
};

/// The lines of a CMU-format dictionary that pronounce `words`, alternatives ("a(2)") included.
/// Words that are missing are appended to `missing`.
std::string cut_dictionary(std::string_view dictionary, const std::set<std::string>& words,
                           std::vector<std::string>& missing);

}  // namespace call::speech
