// What the embedded speech engines cost and how well they hear, on this machine. No part of ctest:
//
//   cmake --build --preset release --target speech_bench && build/release/bin/speech_bench
//
// "Telephone" is 8 kHz through mu-law both ways with a quiet line's noise. RTF is the CPU time of
// this thread over the play time. The callers are flite's voices reading what the phrase book
// expects: an upper bound, not a promise.
#include <ctime>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/audio/g711.hpp"
#include "core/audio/level.hpp"
#include "core/base/deadline.hpp"
#include "core/speech/intent.hpp"
#include "core/speech/recognizer.hpp"
#include "core/speech/synthesizer.hpp"
#include "core/speech/vad.hpp"
#include "tests/unit/speech/survey_book.hpp"

using namespace call;
using namespace call::speech;

namespace {

constexpr std::array kVoices{Voice::rms, Voice::kal16, Voice::awb, Voice::slt};
using Phrase = std::pair<std::string, std::string>;  // text, intent

const std::vector<Phrase>& phrases() {
  static const std::vector<Phrase> all{
      {"yes", "yes"},
      {"yes please", "yes"},
      {"okay", "yes"},
      {"that is right", "yes"},
      {"no", "no"},
      {"no thank you", "no"},
      {"not really", "no"},
      {"one", "rating"},
      {"two", "rating"},
      {"three", "rating"},
      {"four", "rating"},
      {"five", "rating"},
      {"i would say four", "rating"},
      {"three out of five", "rating"},
      {"call me later", "callback"},
      {"can you call me back on friday", "callback"},
      {"i am busy right now", "callback"},
      {"can you repeat that please", "repeat"},
      {"sorry i did not understand you", "repeat"},
      {"you have the wrong number", "wrong_person"},
      {"stop calling me", "stop"},
      {"please take me off your list", "stop"},
      {"goodbye", "goodbye"},
      {"thank you bye", "goodbye"},
  };
  return all;
}

double cpu_seconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double seconds(std::size_t samples) {
  return static_cast<double>(samples) / audio::kSampleRate;
}
double ratio(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

std::size_t word_errors(const std::vector<std::string>& said,
                        const std::vector<std::string>& heard) {
  std::vector<std::size_t> row(heard.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= said.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j < row.size(); ++j) {
      const std::size_t match = diagonal + (said[i - 1] == heard[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({match, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

audio::Pcm on_the_line(const audio::Pcm& speech) {
  audio::Pcm pcm(2400, 0);
  pcm.insert(pcm.end(), speech.begin(), speech.end());
  pcm.insert(pcm.end(), 4000, 0);
  audio::ComfortNoise(28).add_to(pcm);
  return audio::mulaw_decode(audio::MulawView(audio::mulaw_encode(audio::PcmView(pcm))));
}

template <class F>
void by_frame(const audio::Pcm& pcm, F&& use) {
  for (std::size_t at = 0; at < pcm.size(); at += audio::kFrameSamples) {
    use(audio::PcmView(pcm).subspan(at, std::min(audio::kFrameSamples, pcm.size() - at)));
  }
}

void measure_synthesis() {
  std::printf("synthesis      first audio     RTF\n");
  for (const Voice voice : kVoices) {
    const Synthesizer synthesizer({voice});
    double first = 0;
    double cpu = 0;
    std::size_t samples = 0;
    for (const auto& [text, intent] : phrases()) {
      const auto began = MonoClock::now();
      const double cpu_began = cpu_seconds();
      bool heard = false;
      const auto status = synthesizer.speak(text, [&](audio::PcmView pcm) {
        if (!std::exchange(heard, true)) {
          first += std::chrono::duration<double>(MonoClock::now() - began).count();
        }
        samples += pcm.size();
        return true;
      });
      cpu += cpu_seconds() - cpu_began;
      if (!status) std::printf("%s\n", status.error().to_string().c_str());
    }
    const double count = static_cast<double>(phrases().size());
    std::printf("  %-12s %8.1f ms  %6.4f\n", std::string(to_string(voice)).c_str(),
                first / count * 1e3, ratio(cpu, seconds(samples)));
  }
}

void measure_recognition(const std::shared_ptr<const PhraseModel>& model,
                         const IntentMatcher& matcher) {
  std::printf(
      "recognition      WER  intents  accepted     RTF  finish (telephone, %zu words known)\n",
      model->words());
  for (const Voice voice : kVoices) {
    auto made = Recognizer::create(model);
    if (!made) return;
    Recognizer& recognizer = **made;
    const Synthesizer synthesizer({voice});
    std::size_t errors = 0;
    std::size_t words = 0;
    int intents = 0;
    int accepted = 0;
    double cpu = 0;
    double audio_seconds = 0;
    double finish = 0;
    for (const auto& [text, intent] : phrases()) {
      const auto pcm = on_the_line(synthesizer.render(text).value_or({}));
      const double began = cpu_seconds();
      recognizer.start();
      by_frame(pcm, [&](audio::PcmView frame) { recognizer.push(frame); });
      const auto heard = recognizer.finish();
      cpu += cpu_seconds() - began;
      audio_seconds += seconds(pcm.size());
      finish += std::chrono::duration<double>(heard.finish_time).count();
      const auto said = normalise_words(text);
      errors += word_errors(said, normalise_words(heard.text));
      words += said.size();
      const auto match = matcher.match(heard.text);
      if (match && match->intent == intent) ++intents;
      if (heard.accepted) ++accepted;
    }
    const double count = static_cast<double>(phrases().size());
    std::printf("  %-12s %5.1f %%  %4.0f %%    %4.0f %%  %6.4f  %4.1f ms\n",
                std::string(to_string(voice)).c_str(),
                100 * ratio(static_cast<double>(errors), static_cast<double>(words)),
                100 * intents / count, 100 * accepted / count, ratio(cpu, audio_seconds),
                finish / count * 1e3);
  }
}

void measure_vad() {
  const auto pcm =
      on_the_line(Synthesizer().render("good morning, how are you on this fine day").value_or({}));
  const auto cost = [&pcm](Vad& vad) {
    constexpr int kRounds = 20;
    const double began = cpu_seconds();
    for (int i = 0; i < kRounds; ++i) {
      by_frame(pcm, [&vad](audio::PcmView frame) { static_cast<void>(vad.push(frame)); });
    }
    return (cpu_seconds() - began) / (kRounds * seconds(pcm.size())) * 0.020;
  };
  SileroVad silero(SileroModel::load());
  EnergyVad energy;
  std::printf("voice activity, CPU a frame of 20 ms\n  silero %.4f ms, energy %.4f ms\n",
              cost(silero) * 1e3, cost(energy) * 1e3);
}

}  // namespace

int main() {
  const auto began = MonoClock::now();
  const auto model = PhraseModel::build(speech::testing::survey_book());
  const std::chrono::duration<double> built = MonoClock::now() - began;
  const auto matcher = IntentMatcher::create(speech::testing::survey_book());
  if (!model || !matcher) {
    std::printf("%s\n", (!model ? model.error() : matcher.error()).to_string().c_str());
    return 1;
  }
  std::printf("phrase model built in %.0f ms\n", built.count() * 1e3);
  measure_synthesis();
  measure_recognition(*model, *matcher);
  measure_vad();
  return 0;
}
