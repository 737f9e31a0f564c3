// PocketSphinx behind the Recognizer. Measured on this code's settings: one pass over the lexicon
// tree and a best path through the lattice. The second, flat pass (-fwdflat) changed one word in
// fifty and cost a third more time and 40 ms at the end of the utterance.
//
// The mean cepstrum is fixed while an utterance is decoded, so the first words of a caller who is
// much louder or duller than the training speech suffer. When the result is doubtful, the utterance
// is decoded again with the mean that it has taught, and the better of the two is kept: the price
// of a second pass is paid only where it helps.
//
// Confidence: the search scores each frame against the best of the sounds that were possible in it,
// so the mean acoustic score of the words says how far from perfectly they fit. Phrases of the
// model lie at 20 to 40, strangers at 36 to 60. Pure noise fits a word like "five" perfectly, so
// the words must also stand out of the background: by 5 at least in speech, by 3 at most in noise
// (units of the first cepstrum). The lattice posterior was rejected for this: it only compares the
// hypothesis with its own rivals.
#include "core/speech/recognizer.hpp"

#include <pocketsphinx.h>
#include <sphinxbase/err.h>
#include <sphinxbase/feat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/base/strings.hpp"
#include "core/log/log.hpp"
#include "core/speech/cepstra.hpp"

namespace call::speech {
namespace {

constexpr double kEvenMisfit = 42;  // confidence 0.5
constexpr double kMisfitSpread = 4;
constexpr double kDoubtful = 0.8;
constexpr double kLeastContrast = 4;
constexpr double kScoreScale = 1024;  // SENSCR_SHIFT of the acoustic scores in a lattice

void on_sphinx_message(void*, err_lvl_t level, const char* format, ...) {
  if (level < ERR_WARN) return;
  std::array<char, 512> text{};
  va_list args;
  va_start(args, format);
  std::vsnprintf(text.data(), text.size(), format, args);
  va_end(args);
  // Its "errors" are mostly remarks on one utterance; what fails is reported by the call that
  // failed.
  const log::Logger logger("speech");
  logger.debug("pocketsphinx: {}", trim(std::string_view(text.data())));
}

/// The library logs to one place for the whole process.
void route_sphinx_messages() {
  static std::once_flag once;
  std::call_once(once, [] {
    err_set_logfp(nullptr);
    err_set_callback(on_sphinx_message, nullptr);
  });
}

bool is_filler(std::string_view word) {
  return word.empty() || word.front() == '<' || word.front() == '[' || word.front() == '+';
}

struct FreeConfig {
  void operator()(cmd_ln_t* config) const { cmd_ln_free_r(config); }
};
struct FreeDecoder {
  void operator()(ps_decoder_t* decoder) const { ps_free(decoder); }
};

}  // namespace

struct Recognizer::Impl {
  std::shared_ptr<const PhraseModel> model;  // keeps the memory files open
  std::unique_ptr<cmd_ln_t, FreeConfig> config;
  std::unique_ptr<ps_decoder_t, FreeDecoder> decoder;
  std::unique_ptr<TelephoneFrontEnd> front_end;
  CepstralMean mean;
  std::vector<Cepstrum> frames;  ///< of this utterance, the mean still in them
  std::size_t decoded = 0;       ///< of these
  std::size_t samples = 0;
  bool open = false;

  void begin() {
    ps_start_stream(decoder.get());
    ps_start_utt(decoder.get());
    decoded = 0;
  }

  void decode() {
    if (decoded == frames.size()) return;
    std::vector<Cepstrum> centred(frames.begin() + static_cast<std::ptrdiff_t>(decoded),
                                  frames.end());
    std::vector<mfcc_t*> rows;
    rows.reserve(centred.size());
    for (Cepstrum& frame : centred) {
      for (std::size_t i = 0; i < kCepstra; ++i) frame[i] -= mean.value()[i];
      rows.push_back(frame.data());
    }
    // Frame by frame: given ten at once, as an audio event of 100 ms makes them, the library
    // recognised nothing.
    for (mfcc_t*& row : rows) ps_process_cep(decoder.get(), &row, 1, FALSE, FALSE);
    decoded = frames.size();
  }

  Transcript end() {
    ps_end_utt(decoder.get());
    Transcript transcript;
    int32 score = 0;
    if (const char* text = ps_get_hyp(decoder.get(), &score)) transcript.text = text;
    if (transcript.text.empty()) return transcript;
    transcript.confidence = confidence();
    transcript.words = timed_words();
    return transcript;
  }

  std::vector<TimedWord> timed_words() {
    constexpr std::chrono::milliseconds kFrame{10};
    std::vector<TimedWord> words;
    for (ps_seg_t* s = ps_seg_iter(decoder.get()); s != nullptr; s = ps_seg_next(s)) {
      std::string_view word = ps_seg_word(s);
      if (is_filler(ps_seg_word(s))) continue;
      word = word.substr(0, word.find('('));  // "read(2)": another way to say it
      int first = 0;
      int last = 0;
      ps_seg_frames(s, &first, &last);
      words.push_back({std::string(word), first * kFrame, (last + 1) * kFrame});
    }
    return words;
  }

  double confidence() {
    double score = 0;
    double loudness = 0;
    double length = 0;
    for (ps_seg_t* s = ps_seg_iter(decoder.get()); s != nullptr; s = ps_seg_next(s)) {
      if (is_filler(ps_seg_word(s))) continue;
      int first = 0;
      int last = 0;
      int32 acoustic = 0;
      int32 language = 0;
      int32 back_off = 0;
      ps_seg_frames(s, &first, &last);
      ps_seg_prob(s, &acoustic, &language, &back_off);
      score += acoustic;
      last = std::min(last, static_cast<int>(frames.size()) - 1);
      for (int i = first; i <= last; ++i) loudness += frames[static_cast<std::size_t>(i)][0];
      length += last - first + 1;
    }
    if (length == 0 || loudness / length < background() + kLeastContrast) return 0;
    const double misfit = -score / kScoreScale / length;
    return 1 / (1 + std::exp((misfit - kEvenMisfit) / kMisfitSpread));
  }

  /// The quiet tenth of the utterance, as the cepstrum's loudness.
  double background() const {
    std::vector<float> loudness;
    loudness.reserve(frames.size());
    for (const Cepstrum& frame : frames) loudness.push_back(frame[0]);
    const auto tenth = loudness.begin() + static_cast<std::ptrdiff_t>(loudness.size() / 10);
    std::nth_element(loudness.begin(), tenth, loudness.end());
    return *tenth;
  }
};

Recognizer::Recognizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Recognizer::~Recognizer() = default;

Result<std::unique_ptr<Recognizer>> Recognizer::create(std::shared_ptr<const PhraseModel> model) {
  assert_may_block("speech::Recognizer::create");
  CALL_ASSERT(model != nullptr);
  route_sphinx_messages();
  auto impl = std::make_unique<Impl>();
  const std::string acoustic = (model->model_dir_ / "en-us").string();
  const auto opened = [](int fd) { return "/proc/self/fd/" + std::to_string(fd); };
  std::vector<std::string> arguments{"calld",
                                     "-hmm",
                                     acoustic,
                                     "-lm",
                                     opened(model->language_model_fd_),
                                     "-dict",
                                     opened(model->dictionary_fd_),
                                     "-fwdflat",
                                     "no",
                                     "-remove_silence",
                                     "no"};  // the map needs every frame
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  impl->config.reset(
      cmd_ln_parse_r(nullptr, ps_args(), static_cast<int>(argv.size()), argv.data(), TRUE));
  if (impl->config) impl->decoder.reset(ps_init(impl->config.get()));
  if (!impl->decoder) return Error{Errc::internal, "PocketSphinx could not load the phrase model"};
  // The mean is our business. The option -cmn would not do: the model's own feat.params overrides
  // it.
  ps_get_feat(impl->decoder.get())->cmn = CMN_NONE;
  impl->front_end = std::make_unique<TelephoneFrontEnd>(impl->config.get());
  impl->model = std::move(model);
  return std::unique_ptr<Recognizer>(new Recognizer(std::move(impl)));
}

void Recognizer::new_caller() {
  cancel();
  impl_->mean = CepstralMean();
}

void Recognizer::start() {
  assert_may_block("speech::Recognizer::start");
  cancel();
  impl_->front_end->start();
  impl_->frames.clear();
  impl_->samples = 0;
  impl_->begin();
  impl_->open = true;
}

void Recognizer::push(audio::PcmView pcm) {
  CALL_ASSERT(impl_->open);
  const std::size_t room = audio::samples_in(kMaxUtterance) - impl_->samples;
  pcm = pcm.first(std::min(pcm.size(), room));
  impl_->samples += pcm.size();
  impl_->front_end->push(pcm, impl_->frames);
  impl_->decode();
}

Transcript Recognizer::finish() {
  CALL_ASSERT(impl_->open);
  const auto began = std::chrono::steady_clock::now();
  impl_->front_end->finish(impl_->frames);
  impl_->decode();
  Transcript transcript = impl_->end();
  impl_->open = false;
  // Nothing recognised is left at that: with the mean of its own noise, noise would look like the
  // average of speech.
  if (!transcript.text.empty()) {
    const CepstralMean before = impl_->mean;
    impl_->mean.learn(impl_->frames);
    if (transcript.confidence < kDoubtful) {
      impl_->begin();
      impl_->decode();
      Transcript again = impl_->end();
      if (again.confidence > transcript.confidence) transcript = std::move(again);
    }
    if (transcript.confidence < kLeastConfidence) impl_->mean = before;
  }
  transcript.accepted = transcript.confidence >= kLeastConfidence;
  transcript.audio = audio::duration_of(impl_->samples);
  transcript.finish_time = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - began);
  return transcript;
}

void Recognizer::cancel() {
  if (!std::exchange(impl_->open, false)) return;
  ps_end_utt(impl_->decoder.get());
}

}  // namespace call::speech
