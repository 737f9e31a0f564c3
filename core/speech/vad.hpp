// Voice activity: how likely is it that somebody speaks in this frame? Detectors hold the state of
// one call and belong to one thread; push() allocates nothing, never blocks and may run on a media
// loop.
#pragma once

#include <memory>

#include "core/audio/format.hpp"

namespace call::speech {

class Vad {
 public:
  virtual ~Vad() = default;
  /// Takes the next samples (a frame of 20 ms, or any other amount) and returns the probability of
  /// speech, 0 to 1, in the last complete window. Detectors with longer windows (Silero: 32 ms)
  /// repeat their last answer between.
  virtual float push(audio::PcmView pcm) noexcept = 0;
  /// As new: for the next call, or after a gap.
  virtual void reset() noexcept = 0;
};

struct EnergyVadOptions {
  double margin_db = 9;        ///< speech is this much above the noise floor
  double least_dbov = -50;     ///< and never quieter than this
  double floor_rise_db_s = 3;  ///< how fast the floor follows louder noise
};

/// Level against an adaptive noise floor. 0.001 ms a frame; takes music and ring-back for speech.
/// What an agent with turns.vad = "energy" has.
class EnergyVad final : public Vad {
 public:
  explicit EnergyVad(const EnergyVadOptions& options = {}) noexcept : options_(options) { reset(); }
  float push(audio::PcmView pcm) noexcept override;
  void reset() noexcept override;
  double noise_floor_dbov() const noexcept { return floor_dbov_; }

 private:
  EnergyVadOptions options_;
  double floor_dbov_ = 0;
  float probability_ = 0;
};

/// The weights of Silero VAD v6 (8 kHz), read from the .onnx that is built into the binary;
/// immutable, shared by all calls of the process (0.8 MB). Thread-safe.
class SileroModel {
 public:
  /// Unpacks the weights, about 10 ms; once per process, at start. Aborts if the embedded file is
  /// damaged.
  static std::shared_ptr<const SileroModel> load();
  ~SileroModel();

 private:
  friend class SileroVad;
  struct Weights;
  explicit SileroModel(std::unique_ptr<const Weights> weights);
  std::unique_ptr<const Weights> weights_;
};

/// A small recurrent network, run by our own code: 0.02 to 0.05 ms a window of 256 samples. Deaf to
/// hold music, ring-back and DTMF. It lags the first sound of a word by up to 64 ms: keep 200 to
/// 300 ms of pre-roll.
class SileroVad final : public Vad {
 public:
  explicit SileroVad(std::shared_ptr<const SileroModel> model);
  ~SileroVad() override;
  float push(audio::PcmView pcm) noexcept override;
  void reset() noexcept override;

 private:
  struct State;
  float step() noexcept;
  void forget_silence() noexcept;
  std::shared_ptr<const SileroModel> model_;
  std::unique_ptr<State> state_;
};

}  // namespace call::speech
