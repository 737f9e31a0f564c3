#include "core/speech/language_model.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>
#include <sstream>

#include "core/base/strings.hpp"
#include "core/speech/phrases.hpp"
#include "tests/unit/speech/survey_book.hpp"

using namespace call;
using namespace call::speech;

namespace {

LanguageModel survey_model() {
  return LanguageModel(sample_sentences(*parse(speech::testing::survey_book()), 100));
}

double total_after(const LanguageModel& model, const std::vector<std::string>& history) {
  double sum = model.probability("</s>", history);
  for (const auto& word : model.vocabulary()) sum += model.probability(word, history);
  return sum;
}

/// An ARPA file read back the way a decoder uses it: the longest n-gram listed, else back-off.
class Arpa {
 public:
  explicit Arpa(const std::string& text) {
    std::istringstream lines(text);
    std::string line;
    std::size_t order = 0;
    while (std::getline(lines, line)) {
      if (line.rfind("ngram ", 0) == 0) {
        declared.push_back(std::stoul(line.substr(line.find('=') + 1)));
      } else if (line.size() > 2 && line[0] == '\\' && line[2] == '-') {
        order = static_cast<std::size_t>(line[1] - '0');
      } else if (order > 0 && !line.empty() && line[0] != '\\') {
        add(line, order);
      }
    }
  }

  double log_probability(std::vector<std::string> history, const std::string& word) const {
    auto key = history;
    key.push_back(word);
    if (const auto it = grams.find(key); it != grams.end()) return it->second.first;
    REQUIRE_FALSE(history.empty());
    const auto it = grams.find(history);
    const double back_off = it == grams.end() ? 0 : it->second.second;
    history.erase(history.begin());
    return back_off + log_probability(history, word);
  }

  std::vector<std::size_t> declared;
  std::map<std::size_t, std::size_t> counted;

 private:
  void add(const std::string& line, std::size_t order) {
    std::istringstream fields(line);
    double p = 0;
    double back_off = 0;
    fields >> p;
    std::vector<std::string> words(order);
    for (auto& word : words) fields >> word;
    fields >> back_off;
    grams[words] = {p, back_off};
    ++counted[order];
  }
  std::map<std::vector<std::string>, std::pair<double, double>> grams;
};

}  // namespace

TEST_CASE("speech.lm: for every history the probabilities sum to one") {
  const LanguageModel model = survey_model();
  CHECK(total_after(model, {}) == Approx(1));
  CHECK(total_after(model, {"<s>"}) == Approx(1));
  const std::vector<std::string> words(model.vocabulary().begin(), model.vocabulary().end());
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const std::vector<std::string> history{words[random() % words.size()],
                                           words[random() % words.size()]};
    if (std::abs(total_after(model, history) - 1) > 1e-9) FAIL(history[0] << ' ' << history[1]);
  }
}

TEST_CASE("speech.lm: what was seen is likelier than what was not, and nothing is impossible") {
  const LanguageModel model({{"call", "me", "later"}, {"call", "me", "tomorrow"}, {"stop", "it"}});
  CHECK(model.probability("me", {"<s>", "call"}) > 0.7);
  CHECK(model.probability("later", {"call", "me"}) ==
        Approx(model.probability("tomorrow", {"call", "me"})));
  CHECK(model.probability("it", {"call", "me"}) > 0);
  CHECK(model.probability("it", {"call", "me"}) < 0.1);
  CHECK(model.vocabulary() ==
        std::set<std::string>{"call", "it", "later", "me", "stop", "tomorrow"});
}

TEST_CASE("speech.lm: the ARPA file says the same as the model") {
  const LanguageModel model = survey_model();
  const Arpa arpa(model.to_arpa());
  REQUIRE(arpa.declared.size() == 3);
  for (std::size_t n = 1; n <= 3; ++n) CHECK(arpa.declared[n - 1] == arpa.counted.at(n));
  const std::vector<std::string> words(model.vocabulary().begin(), model.vocabulary().end());
  std::mt19937 random(2);
  const auto pick = [&] { return words[random() % words.size()]; };
  for (int i = 0; i < 2000; ++i) {
    const std::vector<std::string> history{i % 5 == 0 ? "<s>" : pick(), pick()};
    const std::string word = i % 7 == 0 ? "</s>" : pick();
    const double expected = std::log10(model.probability(word, history));
    const double given = arpa.log_probability(history, word);
    if (std::abs(expected - given) > 1e-4) FAIL(history[0] << ' ' << history[1] << ' ' << word);
  }
}

TEST_CASE("speech.lm: the dictionary is cut to the words, with all their pronunciations") {
  const std::string dictionary =
      "a AH\na(2) EY\nabout AH B AW T\nthe DH AH\nthe(2) DH IY\nzoo Z UW";
  std::vector<std::string> missing;
  const std::string cut = cut_dictionary(dictionary, {"a", "the", "xylofon", "zoo"}, missing);
  CHECK(cut == "a AH\na(2) EY\nthe DH AH\nthe(2) DH IY\nzoo Z UW\n");
  CHECK(missing == std::vector<std::string>{"xylofon"});
}
