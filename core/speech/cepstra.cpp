// Why not let PocketSphinx do it: the map has to sit between the spectrum and the search, and its
// own "live" mean normalisation either takes the last call's speaker into the next call or knows
// nothing in the first utterance.
#include "core/speech/cepstra.hpp"

#include <pocketsphinx.h>
#include <sphinxbase/fe.h>

#include <cstring>

#include "core/base/assert.hpp"
#include "core/speech/embedded.hpp"

namespace call::speech {
namespace {

// Exact digital silence has no logarithm: human digits over the telephone went from 12 % to 90 %
// word errors for want of this noise.
constexpr int kNoisePeak = 20;

// The training speech's mean (pocketsphinx-en-us, feat.params, -cmninit); how many frames of the
// caller weigh as much as it; and how many frames (10 ms) are remembered at most.
constexpr Cepstrum kUsualMean{41.00F, -5.29F, -0.12F, 5.09F,  2.48F,  -4.07F, -1.37F,
                              -1.78F, -5.08F, -2.05F, -6.45F, -1.42F, 1.17F};
constexpr double kUsualMeanWeight = 100;
constexpr double kMostFrames = 800;

}  // namespace

CepstralMap::CepstralMap() : weights_(kCepstra * kInputs) {
  const std::string_view bytes = embedded_cepstral_map();
  std::vector<float> by_input(weights_.size());
  CALL_ASSERT(bytes.size() == by_input.size() * sizeof(float));
  std::memcpy(by_input.data(), bytes.data(), bytes.size());
  for (std::size_t i = 0; i < kInputs; ++i) {
    for (std::size_t o = 0; o < kCepstra; ++o)
      weights_[o * kInputs + i] = by_input[i * kCepstra + o];
  }
}

Cepstrum CepstralMap::apply(const std::deque<Cepstrum>& window) const noexcept {
  Cepstrum out;
  for (std::size_t o = 0; o < kCepstra; ++o) {
    const float* weight = weights_.data() + o * kInputs;
    float sum = 0;
    for (const Cepstrum& frame : window) {
      for (const float c : frame) sum += *weight++ * c;
    }
    out[o] = sum + *weight;
  }
  return out;
}

CepstralMean::CepstralMean() : mean_(kUsualMean) {}

void CepstralMean::learn(const std::vector<Cepstrum>& frames) {
  for (const Cepstrum& frame : frames) {
    for (std::size_t i = 0; i < kCepstra; ++i) sum_[i] += frame[i];
  }
  frames_ += static_cast<double>(frames.size());
  if (frames_ > kMostFrames) {
    for (double& s : sum_) s *= kMostFrames / frames_;
    frames_ = kMostFrames;
  }
  for (std::size_t i = 0; i < kCepstra; ++i) {
    const double mean = (kUsualMean[i] * kUsualMeanWeight + sum_[i]) / (kUsualMeanWeight + frames_);
    mean_[i] = static_cast<float>(mean);
  }
}

void TelephoneFrontEnd::FreeFrontEnd::operator()(fe_s* fe) const {
  fe_free(fe);
}

TelephoneFrontEnd::TelephoneFrontEnd(cmd_ln_s* config)
    : fe_(fe_init_auto_r(config)),
      noise_(kNoisePeak),
      resampler_(audio::kSampleRate, 2 * audio::kSampleRate) {
  CALL_ASSERT(fe_ != nullptr && fe_get_output_size(fe_.get()) == static_cast<int>(kCepstra));
}

TelephoneFrontEnd::~TelephoneFrontEnd() = default;

void TelephoneFrontEnd::start() {
  noise_ = audio::ComfortNoise(kNoisePeak);
  resampler_.reset();
  window_.clear();
  fe_start_stream(fe_.get());
  fe_start_utt(fe_.get());
}

void TelephoneFrontEnd::push(audio::PcmView pcm8k, std::vector<Cepstrum>& out) {
  narrow_.assign(pcm8k.begin(), pcm8k.end());
  noise_.add_to(narrow_);
  wide_.clear();
  resampler_.push(narrow_, wide_);
  extract(out);
}

void TelephoneFrontEnd::finish(std::vector<Cepstrum>& out) {
  wide_.clear();
  resampler_.finish(wide_);
  extract(out);
  Cepstrum last{};
  int32 frames = 0;
  fe_end_utt(fe_.get(), last.data(), &frames);
  if (frames > 0) add_frame(last, out);
  // The last frames have no right-hand neighbours but the last frame again. A window that never
  // filled (less than 90 ms of audio) holds nothing worth recognising.
  for (std::size_t i = 0; i < CepstralMap::kAround && window_.size() + 1 == CepstralMap::kWindow;
       ++i) {
    window_.push_back(window_.back());
    emit(out);
  }
}

void TelephoneFrontEnd::extract(std::vector<Cepstrum>& out) {
  const int16* samples = wide_.data();
  std::size_t left = wide_.size();
  while (left > 0) {
    Cepstrum frame{};
    mfcc_t* row = frame.data();
    int32 frames = 1;
    if (fe_process_frames(fe_.get(), &samples, &left, &row, &frames, nullptr) < 0) return;
    if (frames == 0) return;  // what is left has gone into its overflow buffer
    add_frame(frame, out);
  }
}

void TelephoneFrontEnd::add_frame(const Cepstrum& narrow, std::vector<Cepstrum>& out) {
  // Nor has the first frame any neighbour on its left.
  if (window_.empty()) window_.assign(CepstralMap::kAround, narrow);
  window_.push_back(narrow);
  if (window_.size() == CepstralMap::kWindow) emit(out);
}

void TelephoneFrontEnd::emit(std::vector<Cepstrum>& out) {
  out.push_back(map_.apply(window_));
  window_.pop_front();
}

}  // namespace call::speech
