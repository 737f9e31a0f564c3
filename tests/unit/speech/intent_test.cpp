#include "core/speech/intent.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/base/strings.hpp"
#include "tests/unit/speech/survey_book.hpp"

using namespace call;
using namespace call::speech;

namespace {

const IntentMatcher& matcher() {
  static const auto made = IntentMatcher::create(speech::testing::survey_book());
  REQUIRE(made.ok());
  return *made;
}

std::string intent_of(std::string_view text, const std::vector<std::string>& among = {}) {
  const auto match = matcher().match(text, among);
  return match ? match->intent : "";
}

}  // namespace

TEST_CASE("speech.intent: every sentence of every template is its own intent with score 1") {
  const auto trees = parse(speech::testing::survey_book());
  REQUIRE(trees.ok());
  for (const auto& tree : *trees) {
    for (const auto& words : sample_sentences({tree}, 30)) {
      const auto match = matcher().match(join(words, " "));
      if (!match || match->intent != tree.intent || match->score < 1 - 1e-9) FAIL(join(words, " "));
    }
  }
}

TEST_CASE("speech.intent: fillers and slips of the recogniser do not matter") {
  CHECK(intent_of("um yes please") == "yes");
  CHECK(intent_of("Well, no thank you!") == "no");
  CHECK(intent_of("i would give it five") == "rating");
  CHECK(intent_of("can i call me back tomorrow") == "callback");
  CHECK(intent_of("you have wrong number") == "wrong_person");
  CHECK(intent_of("stop calling me please") == "stop");
}

TEST_CASE("speech.intent: what is near to nothing is no match") {
  for (const auto* text : {"", "the weather in london is rather wet", "purple elephants dance",
                           "my grandmother bakes wonderful bread", "of", "me", "!!!"}) {
    if (const auto match = matcher().match(text))
      FAIL(text << " -> " << match->intent << ' ' << match->score);
  }
}

TEST_CASE("speech.intent: two intents that are equally near are no match") {
  CHECK(intent_of("yes no").empty());
  CHECK(intent_of("yes no", {"yes", "repeat"}) == "yes");
}

TEST_CASE("speech.intent: only what was asked for counts when the agent says so") {
  CHECK(intent_of("four", {"yes", "no"}).empty());
  CHECK(intent_of("four", {"rating"}) == "rating");
}

TEST_CASE("speech.intent: slots hold the words that were said for them") {
  const auto rating = matcher().match("i would say a four");
  REQUIRE(rating);
  CHECK(rating->slots == std::map<std::string, std::string>{{"rating", "four"}});
  const auto later = matcher().match("could you call me back on friday");
  REQUIRE(later);
  CHECK(later->slots == std::map<std::string, std::string>{{"later", "on friday"}});

  PhraseBook book;
  book.intents = {{"number", {"my number is <digits> [thanks|]"}}};
  const auto numbers = IntentMatcher::create(book);
  REQUIRE(numbers.ok());
  const auto match = numbers->match("my number is four oh nine two");
  REQUIRE(match);
  CHECK(digits_of(match->slots.at("digits")) == "4092");
}

TEST_CASE("speech.intent: a book with a fault makes no matcher") {
  CHECK_FALSE(IntentMatcher::create(PhraseBook{}).ok());
}

TEST_CASE("speech.intent: digits and numbers in words") {
  CHECK(digits_of("five two") == "52");
  CHECK(digits_of("double seven oh one") == "7701");
  CHECK(digits_of("twenty one twelve") == "2112");
  CHECK(digits_of("05") == "05");
  CHECK_FALSE(digits_of("five apples"));
  CHECK_FALSE(digits_of("double"));
  CHECK_FALSE(digits_of(""));
  CHECK(number_of("four") == 4);
  CHECK(number_of("Twenty-one") == 21);
  CHECK(number_of("42") == 42);
  CHECK(number_of("zero") == 0);
  CHECK_FALSE(number_of("one two"));
  CHECK_FALSE(number_of("123"));
  CHECK_FALSE(number_of("many"));
}
