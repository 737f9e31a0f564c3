#include "core/speech/synthesizer.hpp"

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "core/audio/level.hpp"
#include "core/base/files.hpp"

using namespace call;
using namespace call::speech;

namespace {

constexpr const char* kSentence = "Hello, this is a short survey about your last visit.";
constexpr std::array kAllVoices{Voice::slt, Voice::rms, Voice::awb, Voice::kal16};

}  // namespace

TEST_CASE("speech.tts: every voice speaks, in chunks, at a telephone's level") {
  for (const Voice voice : kAllVoices) {
    const Synthesizer synthesizer({voice});
    audio::Pcm all;
    int chunks = 0;
    const auto status = synthesizer.speak(kSentence, [&](audio::PcmView pcm) {
      all.insert(all.end(), pcm.begin(), pcm.end());
      ++chunks;
      return true;
    });
    INFO(to_string(voice));
    REQUIRE(status.ok());
    CHECK(chunks > 20);
    CHECK(audio::duration_of(all.size()).count() == Approx(3000).epsilon(0.3));
    CHECK(audio::dbov(all) > -35);
    CHECK(audio::dbov(all) < -10);
  }
}

TEST_CASE("speech.tts: a sink that says stop is not called again") {
  const Synthesizer synthesizer({Voice::rms});
  int calls = 0;
  const auto status = synthesizer.speak(kSentence, [&](audio::PcmView) { return ++calls < 3; });
  CHECK(calls == 3);
  CHECK(status.error().code == Errc::cancelled);
}

TEST_CASE("speech.tts: the rate changes the length") {
  const auto length = [](double rate) {
    return static_cast<double>(Synthesizer({Voice::kal16, rate}).render(kSentence)->size());
  };
  const double usual = length(1.0);
  CHECK(length(0.75) / usual == Approx(1.33).epsilon(0.1));
  CHECK(length(1.5) / usual == Approx(0.67).epsilon(0.1));
}

TEST_CASE("speech.tts: gain is in decibels") {
  const auto level = [](double gain) {
    return audio::dbov(*Synthesizer({Voice::kal16, 1.0, gain}).render(kSentence));
  };
  CHECK(level(-12) - level(0) == Approx(-12).margin(0.2));
}

TEST_CASE("speech.tts: what cannot be spoken is an error") {
  const Synthesizer synthesizer({Voice::kal16});
  CHECK(synthesizer.render("שלום").error().code == Errc::invalid_argument);
  CHECK(synthesizer.render("").error().code == Errc::invalid_argument);
  CHECK(synthesizer.render(std::string(Synthesizer::kMaxText + 1, 'a')).error().code ==
        Errc::limit);
}

TEST_CASE("speech.tts: a prompt comes out of the cache the second time, sample for sample") {
  const auto cache = std::make_shared<PromptCache>();
  const Synthesizer synthesizer({Voice::rms}, cache);
  const auto first = synthesizer.render(kSentence);
  REQUIRE(first.ok());
  CHECK(cache->bytes() > first->size() * 2);
  CHECK(*synthesizer.render(kSentence) == *first);
  // An unfinished prompt must not be taken for the whole.
  static_cast<void>(synthesizer.speak("Another text.", [](audio::PcmView) { return false; }));
  const auto another = synthesizer.render("Another text.");
  CHECK(another->size() > 4000);
  // Another voice is another prompt.
  CHECK(Synthesizer({Voice::kal16}, cache).render(kSentence)->size() != first->size());
}

TEST_CASE("speech.tts: the cache forgets the least recently used, and stays in its bounds") {
  PromptCache cache(100000);
  const auto prompt = std::make_shared<const audio::Pcm>(10000, std::int16_t{1});
  for (const auto* key : {"a", "b", "c", "d"}) cache.put(key, prompt);
  CHECK(cache.find("a") != nullptr);
  cache.put("e", prompt);
  CHECK(cache.bytes() <= 100000);
  CHECK(cache.find("a") != nullptr);
  CHECK(cache.find("b") == nullptr);
  cache.put("too long", std::make_shared<const audio::Pcm>(20000, std::int16_t{1}));
  CHECK(cache.find("too long") == nullptr);
  cache.put("a", prompt);
  CHECK(cache.bytes() <= 100000);
}

TEST_CASE("speech.tts: eight threads speak at once, each as if alone") {
  std::vector<std::size_t> alone;
  for (const Voice voice : kAllVoices)
    alone.push_back(Synthesizer({voice}).render(kSentence)->size());
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t k = 0; k < kAllVoices.size(); ++k) {
        const std::size_t v = (i + k) % kAllVoices.size();
        const auto pcm = Synthesizer({kAllVoices[v]}).render(kSentence);
        if (!pcm.ok() || pcm->size() != alone[v]) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("speech.tts: voices have names") {
  for (const Voice voice : kAllVoices) CHECK(voice_from(to_string(voice)) == voice);
  CHECK_FALSE(voice_from("hal9000"));
}
