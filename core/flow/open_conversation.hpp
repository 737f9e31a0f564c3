// An open conversation with a language model: events of the call and news of the engines go in,
// commands and requests come out. One thread (the call's handler), no clock of its own.
//
// The rules of taking turns:
//  - A turn is over when the voice detector says so and its final transcript is there. The model may
//    start at the pause before; if the callee goes on, that answer is thrown away unheard.
//  - Words over the agent's voice count unless they are a "mhm". An interruption without words is a
//    false one: the agent goes on from where it was cut off.
//  - The history holds what was heard, not what was sent.
//  - Every tool call is answered or cancelled before the model is asked again; so many rounds and the
//    model has to speak.
//  - Hanging up and transferring happen when the agent's last word was heard, and are final.
//  - Whatever fails, something is said.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/flow/builtin_tools.hpp"
#include "core/flow/chat_history.hpp"
#include "core/flow/conversation.hpp"
#include "core/flow/dues.hpp"
#include "core/flow/keys.hpp"
#include "core/flow/mouth.hpp"
#include "core/flow/open_agent.hpp"
#include "core/flow/open_waterfall.hpp"
#include "core/flow/render.hpp"
#include "core/flow/sentence_stream.hpp"
#include "core/flow/tool_runner.hpp"

namespace call::flow {

/// Lower case, no punctuation, single spaces: what two transcripts of the same words have in common.
std::string plain_words(std::string_view text);

/// The engines of one call.
struct Engines {
  std::unique_ptr<speech::Listener> listener;
  std::unique_ptr<speech::ChatModel> model;
  std::unique_ptr<speech::Speaker> voice;
  std::unique_ptr<speech::Speaker> spare_voice;  ///< embedded: does not fail
  std::unique_ptr<ToolRunner> tools;
  Connect transfer;  ///< empty: not possible
};

class OpenConversation {
 public:
  /// `agent` must outlive it.
  OpenConversation(const OpenAgent& agent, const Variables& variables, Port port, Engines engines,
                   log::Logger log);

  void begin();
  void on_event(const media::Event& event);
  void on_news(speech::EngineEvent news);
  /// When something is due if nothing happens before; on the call's sample clock.
  std::optional<std::int64_t> next_due_ms() const { return due_.next(); }
  void on_due();
  bool ended() const { return ended_; }
  const media::HandlerReport& report() const { return report_; }

 private:
  /// The utterance's audio from `from_ms` of it on was said from `at_ms` of the call on.
  struct AudioPiece {
    std::int64_t from_ms = 0;
    std::int64_t at_ms = 0;
  };
  /// What the callee has said since it began to speak.
  struct Listening {
    speech::RequestId utterance = 0;
    std::uint32_t flush = 0;  ///< the newest one asked for
    bool open = false;        ///< the callee still speaks, as far as we know
    std::size_t pushed = 0;   ///< samples
    std::int64_t start_ms = 0;
    std::vector<AudioPiece> pieces;
    std::string partial;
    std::optional<speech::FinalText> final;  ///< of the newest flush
    std::optional<Error> failed;             ///< instead of the final
    std::optional<media::TurnEnded> turn;    ///< over, waiting for the final
  };
  /// The answer that the model is writing.
  struct Question {
    speech::RequestId id = 0;
    std::string about;       ///< speculative: what the callee must have said for it to count
    bool committed = false;  ///< may be heard
    bool done = false;
    bool silenced = false;  ///< too long: the rest is not said
    SentenceStream sentences;
    std::vector<std::string> held;  ///< not said yet
    std::optional<std::int64_t> first_token_ms;
    std::string text;            ///< said
    std::size_t text_begin = 0;  ///< in the utterance
    std::vector<speech::ToolCall> calls;
  };
  /// A reply that is part of the present utterance.
  struct Said {
    std::size_t id = 0;  ///< in the history
    std::size_t begin = 0, end = 0;
  };
  struct Collecting {
    std::string call_id;
    KeyCollector keys;
  };
  /// What is due if nothing happens before.
  enum Due { kSilence, kFiller, kHello, kKeys, kMachine, kDues };

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
  template <class Other>
  void on(const Other&) {}

  void on(speech::PartialText& news);
  void on(speech::FinalText& news);
  void on(speech::ListeningFailed& news);
  void on(speech::ReplyText& news);
  void on(speech::ReplyDone& news);
  void on(speech::ReplyFailed& news);
  void on(speech::ToolResult& news);
  void on(speech::SpokenAudio& news) { mouth_.on(news); }
  void on(speech::SpeakingDone& news) { mouth_.on(news); }
  void on(speech::SpeakingFailed& news) { mouth_.on(news); }

  // open_conversation.cpp: the callee's turns
  void greet();
  std::string spoken(const std::string& text) const;
  bool is_hello(std::int64_t voice_ms) const;
  void hello(const media::TurnEnded& turn, const speech::FinalText& said);
  void ask_for_final();
  void words_heard(std::string_view text);
  void decide();
  void callee_said(const speech::FinalText& said, const media::TurnEnded& turn);
  void nothing_said(const media::TurnEnded& turn);
  void go_on();
  bool is_murmur(std::string_view text) const;
  void to_call_time(std::vector<speech::TimedWord>& words) const;
  void keep_turn(const speech::FinalText& said, const media::TurnEnded& turn);
  void begin_waterfall(const media::TurnEnded& turn);
  void break_off();
  void abandon_reply();
  void await_callee();
  void agent_heard();
  void collect(const media::DigitPressed& event);
  void stop_work();
  void last_words(const MachineAct& act);

  // open_thinking.cpp: the model and its tools
  void speculate(std::string_view text);
  void ask(std::string_view speculative_text = {});
  void commit();
  void release();
  void note_reply(const std::optional<std::int64_t>& first_token_ms);
  void say_sentence(const std::string& sentence);
  void conclude();
  void run_calls(const std::vector<speech::ToolCall>& calls);
  /// The result, if there is one at once.
  std::optional<std::string> run_builtin(const speech::ToolCall& call);
  void next_step();
  void take_digits();
  void end_collecting();
  void say_alone(const std::string& text, bool interruptible, std::string_view state);
  void engine_failed(const char* what, const Error& error);

  const OpenAgent& agent_;
  const Variables variables_;
  const Port port_;
  Engines engines_;
  log::Logger log_;
  media::HandlerReport report_;
  OpenWaterfall waterfall_{report_.waterfalls};
  ChatHistory history_;
  Mouth mouth_;

  Listening listening_;
  speech::RequestId next_utterance_ = 0;
  std::uint32_t next_flush_ = 0;
  std::optional<Question> question_;
  speech::RequestId next_request_ = 0;
  std::vector<Said> said_;
  std::map<std::string, std::string> running_;  ///< tool calls: id -> name
  std::optional<Collecting> collecting_;
  std::optional<Closing> closing_;
  bool closing_recalled_ = false;  ///< the callee has kept the agent from hanging up once
  bool thinking_ = false;          ///< an answer is due: the filler may be said
  int steps_ = 0;
  int silences_ = 0;
  int failures_ = 0;
  bool awaiting_hello_ = false;  ///< nothing has been said by either side
  bool machine_ = false;         ///< nobody is there: what is heard is no answer
  Dues<Due> due_;
  bool ended_ = false;
};

}  // namespace call::flow
