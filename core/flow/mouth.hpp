// What the agent of an open conversation says: sentences go to the voice as they are written, audio
// goes to the call as it comes, and what was heard is known to the word. A voice that fails is
// replaced by the spare one in the middle of the text. One thread; no clock of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/flow/conversation.hpp"
#include "core/flow/open_agent.hpp"
#include "core/flow/text_timeline.hpp"
#include "core/log/log.hpp"
#include "core/media/assembly.hpp"
#include "core/media/event.hpp"
#include "core/speech/engines.hpp"

namespace call::flow {

class Mouth {
 public:
  /// All but the log must outlive it. `spare` must not fail.
  Mouth(const OpenAgent& agent, const Port& port, speech::Speaker& voice, speech::Speaker& spare,
        media::HandlerReport& report, log::Logger log);

  /// A reply may come soon: connect.
  void prepare();
  /// A new utterance; what was said before plays out first.
  void open(bool interruptible, std::string_view state);
  /// The next sentence of the open utterance. False: it is longer than the agent's max_reply_bytes, say
  /// no more.
  bool add(std::string_view sentence);
  /// The open utterance's text is complete.
  void end();

  /// The callee, or we ourselves, cut the agent off after `heard_ms` of the utterance. The voice goes
  /// on in the background: the interruption may be a false one.
  void cut(std::int64_t heard_ms);
  /// Stops at the callee's side first; how much was heard is told by the clock until it is known.
  void cut_now();
  /// A false interruption: from a little before the cut.
  void resume();
  /// The rest of the utterance will never be said.
  void drop();

  bool is_open() const { return utterance_.generation != 0 && !utterance_.text_done; }
  /// The callee hears the agent, or will.
  bool speaking() const {
    return utterance_.generation != 0 && !utterance_.heard && !utterance_.cut_off;
  }
  bool was_cut_off() const { return utterance_.cut_off; }
  bool interruptible() const { return utterance_.interruptible; }
  /// Whatever the callee says at that point of the call is an answer: it is in the second half of the
  /// question that the utterance ends with, or hears the last of it, resume_overlap or less.
  bool answered_at(std::int64_t at_ms) const;
  media::Generation generation() const { return utterance_.generation; }
  std::int64_t heard_ms() const;
  /// The words of the utterance that the callee has heard: a beginning of text().
  std::string heard_text() const;
  std::string_view text() const { return utterance_.text; }
  /// Audio of the utterance that has come from the voice.
  std::int64_t audio_ms() const { return audio::duration_of(utterance_.audio.size()).count(); }

  void on(speech::SpokenAudio& audio);
  void on(const speech::SpeakingDone& done);
  void on(const speech::SpeakingFailed& failed);
  /// True: the newest utterance has just been heard to its end.
  bool on(const media::Heard& event);
  bool cut_by(const media::BargedIn& event);
  std::uint64_t voice_failures() const { return voice_failures_; }

 private:
  struct Utterance {
    media::Generation generation = 0;
    std::size_t turn = 0;
    std::string text;  ///< given to the voice
    audio::Mulaw audio;
    TextTimeline timeline;
    std::int64_t offset_ms = 0;  ///< of `audio` that an earlier attempt had played already
    std::int64_t began_ms = -1;  ///< when the callee began to hear this attempt
    int resumes = 0;
    bool interruptible = true;
    bool text_done = false;
    bool audio_done = false;
    bool heard = false;
    bool cut_off = false;
  };

  void begin_attempt(bool interruptible);
  void note_heard(const Utterance& utterance, std::int64_t heard_ms);

  const OpenAgent& agent_;
  const TurnPolicy& turns_ = agent_.turns;
  const Port& port_;
  speech::Speaker& voice_;
  speech::Speaker& spare_;
  media::HandlerReport& report_;
  log::Logger log_;
  speech::Speaker* active_;
  speech::RequestId voice_id_ = 0;
  bool prepared_ = false;
  media::Generation generation_ = 0;
  Utterance utterance_;
  Utterance previous_;  ///< without its audio: how much of it was heard may become known later
  // Where the active voice's own count begins within the utterance.
  std::int64_t base_ms_ = 0;
  std::size_t base_chars_ = 0;
  std::uint64_t voice_failures_ = 0;
};

}  // namespace call::flow
