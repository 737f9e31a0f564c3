// Has a machine answered? Two signs that need no model: a beep, which only machines make, and a first
// utterance that goes on and on, which only machines say to somebody who has just called. Pure; time
// is the audio that was pushed.
#pragma once

#include <chrono>
#include <optional>

#include "core/audio/format.hpp"

namespace call::media {

struct VoicemailOptions {
  bool enabled = true;
  std::chrono::milliseconds window{
      30000};  ///< from the answer; a later beep is somebody's telephone
  std::chrono::milliseconds long_greeting{
      6000};  ///< speech without a pause; people say hello and wait
  std::chrono::milliseconds greeting_pause{900};  ///< a longer silence ends the greeting
  std::chrono::milliseconds beep{
      180};  ///< of one pure tone; a whistled note wavers, keys are two tones
};

class VoicemailDetector {
 public:
  enum class Sign { long_greeting, beep };

  explicit VoicemailDetector(const VoicemailOptions& options = {}) : options_(options) {}

  /// The next audio (20 ms or so) and whether a voice is in it. Each sign is told once; a beep may
  /// follow a long greeting.
  std::optional<Sign> push(audio::PcmView pcm, bool voiced);

 private:
  bool heard_beep(audio::PcmView pcm);
  bool heard_long_greeting(std::chrono::milliseconds span, bool voiced);

  VoicemailOptions options_;
  std::chrono::milliseconds position_{0};
  std::chrono::milliseconds tone_{0};  ///< the present tone has lasted
  double tone_turn_ = 0;               ///< its 2 cos(w) ...
  double tone_energy_ = 1;             ///< ... and energy, in the last frame
  std::chrono::milliseconds greeting_{0};
  std::chrono::milliseconds silence_{0};
  bool greeting_over_ = false;
  bool beep_told_ = false;
  bool greeting_told_ = false;
};

}  // namespace call::media
