// From 8 kHz telephone audio to the cepstra that the 16 kHz acoustic model was trained on, as a
// stream.
#pragma once

#include <array>
#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "core/audio/level.hpp"
#include "core/audio/resampler.hpp"

struct cmd_ln_s;
struct fe_s;

namespace call::speech {

inline constexpr std::size_t kCepstra = 13;
using Cepstrum = std::array<float, kCepstra>;

/// The linear map of data/narrowband_cepstral_map.bin. Constant after construction.
class CepstralMap {
 public:
  static constexpr std::size_t kAround = 4;  ///< frames on either side that it looks at
  static constexpr std::size_t kWindow = 2 * kAround + 1;
  static constexpr std::size_t kInputs = kCepstra * kWindow + 1;

  CepstralMap();  ///< unpacks the embedded file
  /// The wide-band cepstrum of the frame in the middle of the window.
  Cepstrum apply(const std::deque<Cepstrum>& window) const noexcept;

 private:
  std::vector<float> weights_;  ///< [output][input]
};

/// What is known of a speaker's (and line's) average cepstrum: the training speech's at first, the
/// caller's own more and more.
class CepstralMean {
 public:
  CepstralMean();
  /// Takes an utterance into account.
  void learn(const std::vector<Cepstrum>& frames);
  const Cepstrum& value() const { return mean_; }

 private:
  Cepstrum mean_{};
  std::array<double, kCepstra> sum_{};
  double frames_ = 0;
};

/// Comfort noise, up-sampling, sphinxbase's MFCC and the map, in that order; the mean is still in.
/// One thread. Output lags the input by about 70 ms until finish().
class TelephoneFrontEnd {
 public:
  /// `config` is the decoder's, borrowed for the constructor only.
  explicit TelephoneFrontEnd(cmd_ln_s* config);
  ~TelephoneFrontEnd();

  /// Begins an utterance.
  void start();
  /// Both append frames to `out`.
  void push(audio::PcmView pcm8k, std::vector<Cepstrum>& out);
  void finish(std::vector<Cepstrum>& out);

 private:
  void extract(std::vector<Cepstrum>& out);
  void add_frame(const Cepstrum& narrow, std::vector<Cepstrum>& out);
  void emit(std::vector<Cepstrum>& out);

  struct FreeFrontEnd {
    void operator()(fe_s* fe) const;
  };
  std::unique_ptr<fe_s, FreeFrontEnd> fe_;
  CepstralMap map_;
  audio::ComfortNoise noise_;
  audio::Resampler resampler_;
  audio::Pcm narrow_;
  audio::Pcm wide_;
  std::deque<Cepstrum> window_;
};

}  // namespace call::speech
