#include "core/speech/language_model.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "core/base/strings.hpp"

namespace call::speech {
namespace {

constexpr std::string_view kBegin = "<s>";
constexpr std::string_view kEnd = "</s>";

double share(double count, double types, double total, double lower) {
  return (count + types * lower) / (total + types);
}

template <class Map, class Key>
double count_of(const Map& map, const Key& key) {
  const auto it = map.find(key);
  return it == map.end() ? 0.0 : it->second;
}

}  // namespace

LanguageModel::LanguageModel(const std::vector<std::vector<std::string>>& sentences) {
  const auto see = [](History& history, const std::string& word) {
    history.total += 1;
    double& count = history.next[word];
    if (count == 0) history.types += 1;
    count += 1;
  };
  for (const auto& sentence : sentences) {
    std::string first;
    std::string before(kBegin);
    for (std::size_t i = 0; i <= sentence.size(); ++i) {
      const std::string word = i < sentence.size() ? sentence[i] : std::string(kEnd);
      if (i < sentence.size()) vocabulary_.insert(word);
      counts_[word] += 1;
      total_ += 1;
      see(after_one_[before], word);
      if (!first.empty()) see(after_two_[{first, before}], word);
      first = std::exchange(before, word);
    }
  }
}

double LanguageModel::unigram(const std::string& word) const {
  return total_ == 0 ? 0.0 : count_of(counts_, word) / total_;
}

double LanguageModel::bigram(const std::string& before, const std::string& word) const {
  const auto it = after_one_.find(before);
  if (it == after_one_.end()) return unigram(word);
  const History& h = it->second;
  return share(count_of(h.next, word), h.types, h.total, unigram(word));
}

double LanguageModel::trigram(const std::string& first, const std::string& before,
                              const std::string& word) const {
  const auto it = after_two_.find({first, before});
  if (it == after_two_.end()) return bigram(before, word);
  const History& h = it->second;
  return share(count_of(h.next, word), h.types, h.total, bigram(before, word));
}

double LanguageModel::probability(const std::string& word,
                                  const std::vector<std::string>& history) const {
  if (history.empty()) return unigram(word);
  if (history.size() == 1) return bigram(history.back(), word);
  return trigram(history[history.size() - 2], history.back(), word);
}

std::string LanguageModel::to_arpa() const {
  // Interpolated Witten-Bell in back-off form: listed n-grams carry the whole mixture, so the
  // weight of the lower order is types / (total + types).
  const auto back_off = [](const History& h) { return std::log10(h.types / h.mass()); };
  std::size_t bigrams = 0;
  std::size_t trigrams = 0;
  for (const auto& [before, h] : after_one_) bigrams += h.next.size();
  for (const auto& [pair, h] : after_two_) trigrams += h.next.size();

  std::string out = fmt::format("\\data\\\nngram 1={}\nngram 2={}\nngram 3={}\n\n\\1-grams:\n",
                                counts_.size() + 1, bigrams, trigrams);
  auto to = std::back_inserter(out);
  if (const auto it = after_one_.find(std::string(kBegin)); it != after_one_.end()) {
    fmt::format_to(to, "-99 {} {:.5f}\n", kBegin, back_off(it->second));
  }
  for (const auto& [word, count] : counts_) {
    fmt::format_to(to, "{:.5f} {}", std::log10(unigram(word)), word);
    if (const auto it = after_one_.find(word); it != after_one_.end()) {
      fmt::format_to(to, " {:.5f}", back_off(it->second));
    }
    out += '\n';
  }
  out += "\n\\2-grams:\n";
  for (const auto& [before, h] : after_one_) {
    for (const auto& [word, count] : h.next) {
      fmt::format_to(to, "{:.5f} {} {}", std::log10(bigram(before, word)), before, word);
      if (const auto it = after_two_.find({before, word}); it != after_two_.end()) {
        fmt::format_to(to, " {:.5f}", back_off(it->second));
      }
      out += '\n';
    }
  }
  out += "\n\\3-grams:\n";
  for (const auto& [pair, h] : after_two_) {
    for (const auto& [word, count] : h.next) {
      const double p = trigram(pair.first, pair.second, word);
      fmt::format_to(to, "{:.5f} {} {} {}\n", std::log10(p), pair.first, pair.second, word);
    }
  }
  out += "\n\\end\\\n";
  return out;
}

std::string cut_dictionary(std::string_view dictionary, const std::set<std::string>& words,
                           std::vector<std::string>& missing) {
  std::string out;
  std::set<std::string, std::less<>> wanted(words.begin(), words.end());
  std::set<std::string, std::less<>> found;
  while (!dictionary.empty()) {
    const std::size_t end = std::min(dictionary.find('\n'), dictionary.size() - 1);
    const std::string_view line = dictionary.substr(0, end + 1);
    dictionary.remove_prefix(end + 1);
    const std::string_view word = line.substr(0, line.find_first_of("( \t"));
    const auto it = wanted.find(word);
    if (it == wanted.end()) continue;
    out += line;
    if (line.back() != '\n') out += '\n';
    found.insert(*it);
  }
  for (const auto& word : words) {
    if (found.find(word) == found.end()) missing.push_back(word);
  }
  return out;
}

}  // namespace call::speech
