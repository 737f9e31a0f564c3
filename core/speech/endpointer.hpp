// When an utterance begins and ends, from the probabilities of a Vad. A pure state machine: no
// clock, time is the audio that was pushed. Never blocks or allocates; one thread.
#pragma once

#include <chrono>
#include <optional>

#include "core/audio/format.hpp"

namespace call::speech {

struct EndpointerOptions {
  float start_threshold = 0.45F;              ///< speech from here up ...
  float stop_threshold = 0.35F;               ///< ... until it falls below this
  std::chrono::milliseconds start_after{60};  ///< voiced time before `started` is reported
  std::chrono::milliseconds start_gap{100};  ///< a longer silence inside start_after begins it anew
  std::chrono::milliseconds end_after{500};  ///< silence that ends an utterance
  std::chrono::milliseconds max_utterance{20000};  ///< ended then, whoever still speaks
};

struct SpeechEdge {
  enum class Kind { started, ended };
  Kind kind = Kind::started;
  /// Stream position (audio since construction or reset) of the edge itself: the first voiced frame
  /// of a `started`, the end of the last voiced frame of an `ended`; both lie before the moment of
  /// the report.
  std::chrono::milliseconds at{0};
  bool too_long = false;  ///< ended by max_utterance
};

class Endpointer {
 public:
  explicit Endpointer(const EndpointerOptions& options = {}) noexcept : options_(options) {}

  /// The next frame's probability; `span` is how long the frame lasts.
  std::optional<SpeechEdge> push(float probability,
                                 std::chrono::milliseconds span = audio::kFrameDuration) noexcept;
  void reset() noexcept;
  /// Ends an open utterance now (call teardown, DTMF); nullopt when none is open.
  std::optional<SpeechEdge> force_end() noexcept;
  /// From now on; e.g. shorter after a yes/no question.
  void set_end_after(std::chrono::milliseconds span) noexcept { options_.end_after = span; }

  bool in_speech() const noexcept { return in_speech_; }
  std::chrono::milliseconds position() const noexcept { return position_; }
  std::chrono::milliseconds silence() const noexcept;  ///< since the last voiced frame
  std::chrono::milliseconds voiced() const noexcept { return voiced_; }  ///< in this utterance

 private:
  EndpointerOptions options_;
  std::chrono::milliseconds position_{0};
  std::chrono::milliseconds onset_{0};       ///< where the candidate or the utterance began
  std::chrono::milliseconds last_voice_{0};  ///< end of the last voiced frame
  std::chrono::milliseconds voiced_{0};
  bool candidate_ = false;
  bool in_speech_ = false;
};

}  // namespace call::speech
