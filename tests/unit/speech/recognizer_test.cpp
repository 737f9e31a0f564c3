#include "core/speech/recognizer.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/audio/g711.hpp"
#include "core/audio/level.hpp"
#include "core/speech/intent.hpp"
#include "core/speech/synthesizer.hpp"
#include "tests/unit/speech/survey_book.hpp"

using namespace call;
using namespace call::speech;
using namespace std::chrono_literals;

namespace {

const std::shared_ptr<const PhraseModel>& survey_model() {
  static const auto model = PhraseModel::build(speech::testing::survey_book());
  REQUIRE(model.ok());
  return *model;
}

/// As the endpointer would cut it out of a call: some silence on both sides, through mu-law.
audio::Pcm caller_says(Voice voice, const std::string& text) {
  audio::Pcm pcm(2400, 0);
  const auto speech = *Synthesizer({voice}).render(text);
  pcm.insert(pcm.end(), speech.begin(), speech.end());
  pcm.insert(pcm.end(), 4000, 0);
  return audio::mulaw_decode(audio::MulawView(audio::mulaw_encode(audio::PcmView(pcm))));
}

Transcript recognise(Recognizer& recognizer, const audio::Pcm& pcm) {
  recognizer.start();
  for (std::size_t at = 0; at < pcm.size(); at += audio::kFrameSamples) {
    recognizer.push(
        audio::PcmView(pcm).subspan(at, std::min(audio::kFrameSamples, pcm.size() - at)));
  }
  return recognizer.finish();
}

// Text and the intent it must be taken for.
using Phrase = std::pair<const char*, const char*>;
constexpr auto kPhrases = std::to_array<Phrase>({
    {"yes please", "yes"},
    {"no thank you", "no"},
    {"one", "rating"},
    {"two", "rating"},
    {"three", "rating"},
    {"four", "rating"},
    {"five", "rating"},
    {"i would say four", "rating"},
    {"please call me back tomorrow", "callback"},
    {"i'm driving", "callback"},
    {"can you repeat that please", "repeat"},
    {"you have the wrong number", "wrong_person"},
    {"please stop calling me", "stop"},
    {"thank you goodbye", "goodbye"},
});

}  // namespace

TEST_CASE("speech.asr: clearly spoken phrases of the model are understood over the telephone") {
  const auto voice = GENERATE(Voice::rms, Voice::slt, Voice::kal16);
  const auto matcher = IntentMatcher::create(speech::testing::survey_book());
  auto recognizer = Recognizer::create(survey_model());
  REQUIRE(recognizer.ok());
  for (const auto& [text, intent] : kPhrases) {
    const auto heard = recognise(**recognizer, caller_says(voice, text));
    const auto match = matcher->match(heard.text);
    // 0.3 seconds of a high voice without what lies above 4 kHz: "two" is "you" to the model,
    // "four" is "five".
    if (voice == Voice::slt && (text == std::string("two") || text == std::string("four")))
      continue;
    INFO(to_string(voice) << " said \"" << text << "\", heard \"" << heard.text << "\" "
                          << heard.confidence);
    CHECK(heard.accepted);
    CHECK((match ? match->intent : "none") == intent);
  }
}

TEST_CASE(
    "speech.asr: sentences far from the model are mostly rejected, by confidence or by intent") {
  const auto matcher = IntentMatcher::create(speech::testing::survey_book());
  auto recognizer = Recognizer::create(survey_model());
  REQUIRE(recognizer.ok());
  const std::vector<std::string> strangers{"the weather in london is rather wet",
                                           "my grandmother bakes wonderful bread",
                                           "purple elephants dance",
                                           "economics is a dismal science",
                                           "our cat sleeps on the sofa",
                                           "hamburger"};
  int taken = 0;
  for (const auto& text : strangers) {
    for (const Voice voice : {Voice::rms, Voice::kal16}) {
      const auto heard = recognise(**recognizer, caller_says(voice, text));
      if (heard.accepted && matcher->match(heard.text)) ++taken;
    }
  }
  CHECK(taken <= 4);  // of 12
}

TEST_CASE("speech.asr: silence and noise are nothing said") {
  auto recognizer = Recognizer::create(survey_model());
  REQUIRE(recognizer.ok());
  CHECK_FALSE(recognise(**recognizer, audio::Pcm(16000, 0)).accepted);
  for (const int amplitude : {20, 200, 2000, 6000}) {
    audio::Pcm noise(16000);
    audio::ComfortNoise(amplitude).fill(noise);
    const auto heard = recognise(**recognizer, noise);
    INFO("noise of " << amplitude << " heard as \"" << heard.text << '"');
    CHECK_FALSE(heard.accepted);
  }
  CHECK_FALSE(recognise(**recognizer, {}).accepted);
  CHECK_FALSE(recognise(**recognizer, audio::Pcm(80, 100)).accepted);
}

TEST_CASE("speech.asr: noise that was taken for a turn does not spoil the next one") {
  auto recognizer = Recognizer::create(survey_model());
  REQUIRE(recognizer.ok());
  audio::Pcm noise(24000);
  audio::ComfortNoise(1000).fill(noise);
  static_cast<void>(recognise(**recognizer, noise));
  const auto heard = recognise(**recognizer, caller_says(Voice::rms, "i would say four"));
  CHECK(heard.text == "i would say four");
  CHECK(heard.accepted);
}

TEST_CASE("speech.asr: one caller's call does not depend on the one before") {
  const auto pcm = caller_says(Voice::kal16, "i would say four");
  auto fresh = Recognizer::create(survey_model());
  REQUIRE(fresh.ok());
  const auto alone = recognise(**fresh, pcm);
  static_cast<void>(recognise(**fresh, caller_says(Voice::slt, "can you repeat that please")));
  (*fresh)->start();
  (*fresh)->push(pcm);  // an utterance that is dropped
  (*fresh)->new_caller();
  const auto later = recognise(**fresh, pcm);
  CHECK(later.text == alone.text);
  CHECK(later.confidence == alone.confidence);
}

TEST_CASE("speech.asr: an utterance without end is bounded") {
  auto recognizer = Recognizer::create(survey_model());
  REQUIRE(recognizer.ok());
  (*recognizer)->start();
  const audio::Pcm second(audio::kSampleRate, 0);
  for (int i = 0; i < 40; ++i) (*recognizer)->push(second);
  CHECK((*recognizer)->finish().audio == Recognizer::kMaxUtterance);
}

TEST_CASE("speech.asr: eight decoders in eight threads hear the same") {
  std::vector<audio::Pcm> calls;
  for (const auto* text : {"yes please", "i would say four", "please call me back tomorrow"}) {
    calls.push_back(caller_says(Voice::rms, text));
  }
  std::array<std::vector<std::string>, 8> heard;
  RecognizerPool pool(8);
  std::vector<std::thread> threads;
  for (auto& mine : heard) {
    threads.emplace_back([&] {
      auto lease = pool.checkout(survey_model(), Deadline::after(60s));
      if (!lease.ok()) return;
      for (const auto& pcm : calls) mine.push_back(recognise(**lease, pcm).text);
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(heard[0].size() == calls.size());
  for (const auto& other : heard) CHECK(other == heard[0]);
  CHECK(pool.idle() == pool.existing());
}

TEST_CASE("speech.asr: the pool lends at most its maximum, reuses, and gives idle decoders up") {
  RecognizerPool pool(2);
  auto first = pool.checkout(survey_model(), Deadline::after(10s));
  REQUIRE(first.ok());
  const Recognizer* address = &**first;
  {
    auto second = pool.checkout(survey_model(), Deadline::after(10s));
    REQUIRE(second.ok());
    const auto third = pool.checkout(survey_model(), Deadline::after(20ms));
    REQUIRE_FALSE(third.ok());
    CHECK(third.error().code == Errc::timeout);
  }
  CHECK(pool.existing() == 2);
  { const auto moved = std::move(*first); }
  CHECK(pool.idle() == 2);
  auto again = pool.checkout(survey_model(), Deadline::after(10s));
  REQUIRE(again.ok());
  CHECK(&**again == address);

  PhraseBook other;
  other.intents = {{"x", {"hello"}}};
  const auto model = PhraseModel::build(other);
  REQUIRE(model.ok());
  auto different = pool.checkout(*model, Deadline::after(10s));
  REQUIRE(different.ok());
  CHECK(pool.existing() == 2);
}

TEST_CASE("speech.asr: a waiting checkout is served when a decoder comes back") {
  RecognizerPool pool(1);
  auto lent = pool.checkout(survey_model(), Deadline::after(10s));
  REQUIRE(lent.ok());
  std::atomic<bool> served{false};
  std::thread waiter([&] { served = pool.checkout(survey_model(), Deadline::after(60s)).ok(); });
  { const auto returned = std::move(*lent); }
  waiter.join();
  CHECK(served);
}

TEST_CASE("speech.asr: a word that cannot be pronounced, and a missing model, are told by name") {
  PhraseBook book;
  book.intents = {{"x", {"say xqzzt and bryxl"}}};
  const auto model = PhraseModel::build(book);
  REQUIRE_FALSE(model.ok());
  CHECK(model.error().code == Errc::invalid_argument);
  CHECK_THAT(model.error().context, Catch::Contains("bryxl, xqzzt"));
  const auto nowhere = PhraseModel::build(speech::testing::survey_book(), {"/nonexistent", 100});
  REQUIRE_FALSE(nowhere.ok());
  CHECK(nowhere.error().code == Errc::not_found);
  CHECK_THAT(nowhere.error().context, Catch::Contains("pocketsphinx-en-us"));
}

TEST_CASE("speech.recognizer: the words do not depend on the pieces in which the audio comes") {
  const auto recognizer = *Recognizer::create(survey_model());
  const auto pcm = caller_says(Voice::rms, "yes");
  for (const std::size_t piece : {40U, 160U, 800U, 4000U}) {
    CAPTURE(piece);
    recognizer->start();
    for (std::size_t at = 0; at < pcm.size(); at += piece) {
      recognizer->push(audio::PcmView(pcm).subspan(at, std::min(piece, pcm.size() - at)));
    }
    CHECK(recognizer->finish().text == "yes");
  }
}
