// One call's conversation: events of the media session go in, commands to it come out. It listens,
// decides (by the dialogue) and speaks; it keeps the turns and their latencies for the record. No
// clock and no thread of its own: the call's handler thread drives it, and tests drive it on a
// virtual clock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/audio/format.hpp"
#include "core/base/result.hpp"
#include "core/flow/dialogue.hpp"
#include "core/flow/dues.hpp"
#include "core/flow/keys.hpp"
#include "core/flow/open_waterfall.hpp"
#include "core/flow/turn_policy.hpp"
#include "core/log/log.hpp"
#include "core/media/assembly.hpp"
#include "core/media/event.hpp"
#include "core/speech/recognizer.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::flow {

/// Where the conversation meets its call; media::CallLink in the product.
struct Port {
  std::function<void(media::Command)> send;
  std::function<bool(media::Generation)> is_current;  ///< nothing has cut the utterance off yet
  std::function<std::int64_t()> clock_ms;             ///< the call's sample clock
};

/// The recogniser of one call. An utterance is started, fed while the callee speaks, and finished.
class Ears {
 public:
  virtual ~Ears() = default;
  virtual void start() = 0;
  virtual void push(audio::PcmView pcm) = 0;
  virtual speech::Transcript finish() = 0;
};

/// Connects the call with that number. May block, up to a few seconds.
using Connect = std::function<Status(const std::string& number)>;

/// Speaks a text into a sink, chunk by chunk; the sink returns false to stop it at once.
using Speak = std::function<Status(std::string_view, const speech::Synthesizer::Sink&)>;

class Conversation {
 public:
  Conversation(Dialogue dialogue, Port port, std::unique_ptr<Ears> ears, Speak speak,
               log::Logger log, TurnPolicy policy = {});

  void begin();
  void on_event(const media::Event& event);
  /// When something is due if nothing happens before; on the call's sample clock.
  std::optional<std::int64_t> next_due_ms() const { return due_.next(); }
  void on_due();
  bool ended() const { return ended_; }
  /// After the end, or when the conversation broke off: what goes into the record.
  media::HandlerReport report();

 private:
  struct Utterance {
    media::Generation generation = 0;
    std::size_t turn = 0;  ///< index of its turn
    Reply reply;
    audio::Mulaw audio;
    std::int64_t whole_ms = 0;   ///< length of `audio`
    std::int64_t offset_ms = 0;  ///< of `audio` that an earlier attempt had played already
    bool heard = false;          ///< to the end
    bool cut_off = false;
  };
  /// What the callee has said since it began to speak.
  struct Listening {
    std::int64_t start_ms = 0;
    std::int64_t audio_from_ms = 0;  ///< the first sample of `audio`
    audio::Pcm audio;
    std::optional<speech::Transcript> at_pause;
    bool settled = false;  ///< decided at the pause; the turn's end brings nothing new
    bool open = false;
  };

  void on(const media::SpeechBegan& event);
  void on(const media::SpeechAudio& event);
  void on(const media::SpeechPaused& event);
  void on(const media::TurnEnded& event);
  void on(const media::BargedIn& event);
  void on(const media::FirstAudioSent& event);
  void on(const media::Heard& event);
  void on(const media::MachineHeard& event);
  void on(const media::DigitPressed& event);
  void on(const media::CallEnded& event);

  bool is_hello(const speech::Transcript& transcript, std::int64_t voice_ms) const;
  void greet();
  void last_words(const MachineAct& act);
  void collect(const media::DigitPressed& event);
  void settle_keys(KeyCollector::Outcome outcome, std::int64_t at_ms);
  void keep_keys(std::string keys, std::int64_t at_ms, const std::optional<Understood>& understood);
  bool is_murmur(const std::string& words) const;

  void say(Reply reply);
  void speak_text(const std::string& text);
  void resume();
  void open_utterance(bool interruptible);
  void decide(const speech::Transcript& transcript, const media::TurnEnded& turn);
  void keep_turn(const speech::Transcript& transcript, const media::TurnEnded& turn,
                 const std::optional<Understood>& understood);
  void begin_waterfall(const media::TurnEnded& turn);
  void await_answer();
  bool speaking() const;
  void stop_speaking(std::int64_t heard_ms);
  void cut_off();
  void note_heard(const Utterance& utterance, std::int64_t heard_ms);

  /// What is due at a point in time if nothing happens before.
  enum Due { kSilence, kHello, kKeys, kMachine, kDues };

  Dialogue dialogue_;
  TurnPolicy policy_;
  Port port_;
  std::unique_ptr<Ears> ears_;
  Speak speak_;
  log::Logger log_;

  media::Generation generation_ = 0;
  Utterance utterance_;
  Utterance previous_;  ///< without its audio: how much of it was heard may become known later
  Listening listening_;
  bool interrupted_ = false;  ///< the callee cut the agent off, and what it said is not known yet
  int resumes_ = 0;           ///< of the present utterance
  Dues<Due> due_;
  std::string_view hang_up_reason_ = "completed";  ///< when the last word was heard
  bool awaiting_hello_ = false;                    ///< nothing has been said by either side
  bool machine_ = false;                           ///< nobody is there: what is heard is no answer
  std::optional<KeyCollector> keys_;
  bool ended_ = false;
  media::HandlerReport report_;
  OpenWaterfall waterfall_{report_.waterfalls};
};

}  // namespace call::flow
