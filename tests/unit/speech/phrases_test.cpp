#include "core/speech/phrases.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "core/base/strings.hpp"
#include "tests/unit/speech/survey_book.hpp"

using namespace call;
using namespace call::speech;

namespace {

std::set<std::string> all_sentences(const std::string& text, const PhraseBook& with = {}) {
  PhraseBook book = with;
  book.intents = {{"x", {text}}};
  const auto trees = parse(book);
  REQUIRE(trees.ok());
  std::set<std::string> out;
  for (const auto& words : sample_sentences(*trees)) out.insert(join(words, " "));
  return out;
}

Error fault_in(const std::string& text) {
  PhraseBook book;
  book.intents = {{"greet", {text}}};
  auto trees = parse(book);
  REQUIRE_FALSE(trees.ok());
  return trees.error();
}

}  // namespace

TEST_CASE("speech.phrases: alternatives expand to every combination") {
  CHECK(all_sentences("[a|b] c") == std::set<std::string>{"a c", "b c"});
  CHECK(all_sentences("[|please] go [now|[very|] soon]") ==
        std::set<std::string>{"go now", "go soon", "go very soon", "please go now",
                              "please go soon", "please go very soon"});
  CHECK(all_sentences("Yes, I'm SURE!") == std::set<std::string>{"yes i'm sure"});
  CHECK(all_sentences("[|maybe]") == std::set<std::string>{"maybe"});
  CHECK(all_sentences("room 12") == std::set<std::string>{"room one two"});
}

TEST_CASE("speech.phrases: slots come from the book first, then from the built-in ones") {
  PhraseBook book;
  book.slots["when"] = {"today", "on <weekday>"};
  const auto sentences = all_sentences("come <when>", book);
  CHECK(sentences.size() == 8);
  CHECK(sentences.count("come on friday") == 1);
  book.slots["weekday"] = {"sunday"};
  CHECK(all_sentences("come <when>", book) ==
        std::set<std::string>{"come on sunday", "come today"});
}

TEST_CASE("speech.phrases: digits come in every length and are the same for the same seed") {
  PhraseBook book;
  book.intents = {{"x", {"<digits>"}}};
  const auto trees = parse(book);
  REQUIRE(trees.ok());
  const auto sentences = sample_sentences(*trees, 300, 5);
  std::set<std::size_t> lengths;
  for (const auto& words : sentences) lengths.insert(words.size());
  CHECK(*lengths.begin() == 1);
  CHECK(*lengths.rbegin() == 12);
  CHECK(sentences == sample_sentences(*trees, 300, 5));
  CHECK(sentences != sample_sentences(*trees, 300, 6));
}

TEST_CASE("speech.phrases: each template has the same weight, however few sentences it has") {
  PhraseBook book;
  book.intents = {{"x", {"one", "[two|three]"}}};
  const auto sentences = sample_sentences(*parse(book), 100);
  CHECK(sentences.size() == 200);
  CHECK(std::count(sentences.begin(), sentences.end(), std::vector<std::string>{"one"}) == 100);
  CHECK(std::count(sentences.begin(), sentences.end(), std::vector<std::string>{"two"}) == 50);
}

TEST_CASE("speech.phrases: a faulty template is refused with its intent, text and column") {
  const Error open = fault_in("say [yes|no");
  CHECK(open.code == Errc::invalid_argument);
  CHECK_THAT(open.context, Catch::Contains("intent \"greet\"") && Catch::Contains("say [yes|no") &&
                               Catch::Contains("column 12") && Catch::Contains("']' is missing"));
  CHECK_THAT(fault_in("yes] no").context, Catch::Contains("too many"));
  CHECK_THAT(fault_in("a|b").context, Catch::Contains("too many"));
  CHECK_THAT(fault_in("for <someone>").context, Catch::Contains("no slot <someone>"));
  CHECK_THAT(fault_in("for <some").context, Catch::Contains("'>' is missing"));
  CHECK_THAT(fault_in("שלום").context, Catch::Contains("ASCII"));
  CHECK_THAT(fault_in("[|]").context, Catch::Contains("no words"));
  CHECK_THAT(fault_in(std::string(500, 'a')).context, Catch::Contains("400"));
  CHECK_THAT(fault_in(std::string(20, '[') + "a" + std::string(20, ']')).context,
             Catch::Contains("too deeply"));
  CHECK_FALSE(parse(PhraseBook{}).ok());
}

TEST_CASE("speech.phrases: a slot that uses itself is refused, not followed for ever") {
  PhraseBook book;
  book.slots["a"] = {"x <b>"};
  book.slots["b"] = {"y <a>"};
  book.intents = {{"loop", {"<a>"}}};
  const auto trees = parse(book);
  REQUIRE_FALSE(trees.ok());
  CHECK_THAT(trees.error().context, Catch::Contains("slots within slots"));
}

TEST_CASE("speech.phrases: text is normalised as the recogniser writes it") {
  CHECK(normalise_words("  Yes,  I'm 'sure' - o'clock 42!") ==
        std::vector<std::string>{"yes", "i'm", "sure", "o'clock", "four", "two"});
  CHECK(normalise_words("דנה 🎉").empty());
}

TEST_CASE("speech.phrases: the survey's book is sound") {
  CHECK(parse(speech::testing::survey_book()).ok());
}
