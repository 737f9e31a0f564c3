// When the callee speaks, interrupts, and has finished: from the voice detector's probabilities and
// from whether the agent can be heard at that moment. Pure; time is the audio that was pushed. One
// thread.
//
// Two thresholds of silence end a turn: after `pause` the handler may decide that the answer is
// complete, after `endpointer.end_after` it is. An answer of any length over the agent's last words
// is a turn like any other; only cutting the agent off needs `barge_in` of voice.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "core/audio/format.hpp"
#include "core/audio/ring.hpp"
#include "core/media/event.hpp"
#include "core/speech/endpointer.hpp"

namespace call::media {

struct TurnOptions {
  speech::EndpointerOptions endpointer{.end_after = std::chrono::milliseconds(700)};
  std::chrono::milliseconds pause{320};  ///< silence after which SpeechPaused is told
  /// Voice over the agent that cuts it off. With 100 ms the agent stops within 250 ms of the onset of
  /// 99 % of interruptions, and for none of the coughs of barge_in_bench.
  std::chrono::milliseconds barge_in{100};
  /// A pause inside a word or between two: it does not make an interruption start again from nothing.
  std::chrono::milliseconds voice_gap{160};
  /// Voice this soon after the agent began to sound is its echo, or an answer to what came before:
  /// it does not cut the agent off. It is a turn all the same.
  std::chrono::milliseconds echo_guard{150};
  std::chrono::milliseconds pre_roll{
      300};  ///< audio before the first voiced frame that belongs to the turn
  std::chrono::milliseconds audio_event{160};  ///< audio of one SpeechAudio
};

class TurnTracker {
 public:
  explicit TurnTracker(const TurnOptions& options);

  struct Agent {
    bool audible = false;
    bool interruptible = false;
  };

  /// The next audio and the detector's answer for it. Events are appended to `out`. True: the
  /// callee has just interrupted the agent; the caller cuts the playback off.
  bool push(audio::PcmView pcm, float probability, const Agent& agent, std::vector<Event>& out);
  /// Audio that never came: silence of that length.
  void skip(std::chrono::milliseconds gap, std::vector<Event>& out);
  /// Ends an open turn now.
  void finish_turn(std::vector<Event>& out);
  void set_end_after(std::chrono::milliseconds span) { endpointer_.set_end_after(span); }

  bool in_speech() const { return endpointer_.in_speech(); }
  std::int64_t position_ms() const { return endpointer_.position().count(); }

 private:
  void begin_turn(std::int64_t at_ms, std::vector<Event>& out);
  void end_turn(std::int64_t speech_end_ms, std::vector<Event>& out);
  void pass_audio(bool all, std::vector<Event>& out);
  bool barged_in(audio::PcmView pcm, float probability, const Agent& agent);

  TurnOptions options_;
  speech::Endpointer endpointer_;
  audio::PreRoll pre_roll_;
  audio::Pcm pending_;  ///< of the open turn, not passed on yet
  std::int64_t turn_start_ms_ = 0;
  bool paused_ = false;
  bool overlapped_ = false;                    ///< all voice of this turn was over the agent's
  bool interrupted_ = false;                   ///< this turn has cut the agent off already
  std::chrono::milliseconds agent_sounds_{0};  ///< for so long, without a pause
  std::chrono::milliseconds voice_over_agent_{0};
  std::chrono::milliseconds silence_over_agent_{0};
};

}  // namespace call::media
