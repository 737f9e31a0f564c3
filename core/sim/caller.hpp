// A scripted caller on the telephone: hears 20 ms, says 20 ms. Pure: time is the number of frames,
// so its life begins with the first media stream of its call. The turn detector is the loudness of
// what is heard, so the caller needs no help from the agent to know when it is its turn.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/audio/format.hpp"
#include "core/audio/level.hpp"
#include "core/sim/script.hpp"

namespace call::sim {

using Sound = std::shared_ptr<const audio::Pcm>;

/// What a caller will say, synthesised before the telephone is picked up. Trimmed: sound from the
/// first sample.
struct CallerSounds {
  Sound greeting;            ///< with the beep behind it; may be null
  std::vector<Sound> lines;  ///< one per line of the script; null for lines without words
};

class Caller {
 public:
  /// Levels at or above this count as speech of the agent; comfort noise lies far below.
  static constexpr double kAudibleDbov = -50.0;
  /// So much speech is needed before silence means "your turn": a click is no sentence.
  static constexpr std::chrono::milliseconds kMinSpeech{200};

  /// What happened in one frame, besides the sound.
  struct Frame {
    audio::MulawFrame said{};
    bool audible_heard = false;  ///< the agent was audible
    std::optional<std::size_t>
        began;            ///< index of the line whose words began; kGreeting for the greeting
    bool ended = false;   ///< the words that were being said ended with this frame
    std::string pressed;  ///< keys
    const char* hang_up = nullptr;  ///< why, when the caller hangs up now
  };
  static constexpr std::size_t kGreeting = static_cast<std::size_t>(-1);

  Caller(CallerScript script, CallerSounds sounds, std::uint32_t seed);

  Frame step(const audio::MulawFrame& heard);
  bool speaking() const { return speaking_ != nullptr; }
  std::chrono::milliseconds now() const { return frames_ * audio::kFrameDuration; }
  std::size_t lines_done() const { return next_line_; }

 private:
  void listen(const audio::MulawFrame& heard, Frame& out);
  bool is_my_turn(const Line& line) const;
  void act(Frame& out);
  void start(Sound sound, std::size_t index, Frame& out);
  void speak(Frame& out);

  CallerScript script_;
  CallerSounds sounds_;
  std::optional<audio::ComfortNoise> noise_;
  std::int64_t frames_ = 0;

  // What was heard since this caller last said or did something.
  std::int64_t audible_frames_ = 0;
  std::int64_t silent_frames_ = 0;  ///< since the last audible one
  std::optional<std::int64_t> agent_began_;

  std::size_t next_line_ = 0;
  Sound speaking_;
  std::size_t spoken_ = 0;  ///< samples of speaking_
  std::optional<std::chrono::milliseconds> cut_after_;
};

}  // namespace call::sim
