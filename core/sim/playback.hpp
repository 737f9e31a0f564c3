// What the callee hears: the carrier's buffer of outbound audio, played in real time. Pure: its
// only clock is the number of ticks, each 20 ms of sound, so every heard byte has an exact place in
// time.
//
// A *gap* is what a listener would call a stutter: the buffer ran dry for more than 40 ms and at
// most 1 s, then more audio of the same utterance played. Audio belongs to the same utterance
// unless, during the dry spell, the buffer was cleared or the callee's own words began or ended
// (they took a turn). Longer dry spells are pauses, not gaps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/audio/format.hpp"

namespace call::sim {

class Playback {
 public:
  static constexpr std::chrono::milliseconds kMaxBuffered{600000};  ///< Twilio holds 10 minutes
  static constexpr std::chrono::milliseconds kGapOver{40};
  static constexpr std::chrono::milliseconds kSameUtterance{1000};
  static constexpr std::size_t kMaxPendingMarks = 10000;

  struct Gap {
    std::chrono::milliseconds at{0};  ///< when the sound stopped
    std::chrono::milliseconds length{0};
  };
  struct Tick {
    audio::MulawFrame frame;         ///< padded with silence
    std::size_t played = 0;          ///< bytes of it that are not padding
    std::vector<std::string> marks;  ///< reached: everything before them has sounded
    std::optional<Gap> gap;
  };

  /// Bytes that were taken; the rest is beyond the 10 minutes and is lost.
  std::size_t enqueue(audio::MulawView bytes);
  /// True: nothing is queued or sounding, echo it at once. Otherwise a later tick or clear()
  /// returns it.
  bool mark(std::string name);
  struct Cleared {
    std::chrono::milliseconds dropped{0};
    std::vector<std::string> marks;  ///< all that were pending, in order
  };
  Cleared clear();
  /// The callee began or ended to speak, or pressed a key.
  void callee_took_turn() { same_utterance_ = false; }
  Tick tick();

  std::chrono::milliseconds now() const;  ///< sound time: ticks so far
  std::chrono::milliseconds buffered() const { return audio::duration_of(queue_.size()); }
  bool sounding() const { return !queue_.empty() || last_played_ > 0; }

 private:
  struct Mark {
    std::uint64_t at = 0;  ///< bytes enqueued before it and not cleared
    std::string name;
  };
  std::vector<std::string> take_marks_up_to(std::uint64_t position);
  std::optional<Gap> account(std::size_t played);

  std::deque<std::uint8_t> queue_;
  std::deque<Mark> marks_;
  std::uint64_t ticks_ = 0;
  std::uint64_t accepted_ = 0;  ///< bytes taken and not cleared, ever
  std::uint64_t played_ = 0;
  std::size_t last_played_ = 0;  ///< bytes of the newest tick: still sounding
  bool same_utterance_ = false;
  std::uint64_t dry_samples_ = 0;  ///< since the last byte of an utterance
};

}  // namespace call::sim
