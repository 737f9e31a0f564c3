// A conversation held by one engine that listens, thinks and speaks (OpenAI Realtime). The turns are
// ours: our voice detector ends them, and an interruption cuts the engine's memory to what was heard.
// One thread (the call's handler), no clock of its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/flow/builtin_tools.hpp"
#include "core/flow/conversation.hpp"
#include "core/flow/dues.hpp"
#include "core/flow/keys.hpp"
#include "core/flow/mouth.hpp"
#include "core/flow/open_agent.hpp"
#include "core/flow/open_waterfall.hpp"
#include "core/flow/render.hpp"
#include "core/flow/sentence_stream.hpp"
#include "core/flow/tool_runner.hpp"
#include "core/speech/engines.hpp"

namespace call::flow {

struct RealtimeEngines {
  std::unique_ptr<speech::Converser> engine;
  std::unique_ptr<speech::Speaker> spare_voice;
  std::unique_ptr<ToolRunner> tools;
  Connect transfer;  ///< empty: not possible
};

class RealtimeConversation {
 public:
  /// `agent` must outlive it.
  RealtimeConversation(const OpenAgent& agent, const Variables& variables, Port port,
                       RealtimeEngines engines, log::Logger log);

  void begin();
  void on_event(const media::Event& event);
  void on_news(speech::EngineEvent news);
  std::optional<std::int64_t> next_due_ms() const { return due_.next(); }
  void on_due();
  bool ended() const { return ended_; }
  const media::HandlerReport& report() const { return report_; }

 private:
  /// The engine's audio comes by itself; the mouth only has to know which utterance it is for.
  class Through final : public speech::Speaker {
   public:
    void begin(speech::RequestId utterance) override { current = utterance; }
    void add(std::string_view) override {}
    void end() override {}
    void cancel() override {}
    speech::RequestId current = 0;
  };

  struct Collecting {
    std::string call_id;
    KeyCollector keys;
  };
  /// What is due if nothing happens before.
  enum Due { kSilence, kHello, kKeys, kMachine, kDues };

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
  void on(speech::SpokenAudio& news);
  void on(speech::ReplyText& news);
  void on(speech::ReplyDone& news);
  void on(speech::ReplyFailed& news);
  void on(speech::FinalText& news);
  void on(speech::ToolResult& news);
  void on(speech::SpeakingDone& news) { mouth_.on(news); }
  template <class Other>
  void on(const Other&) {}

  void greet();
  void keep_turn(const media::TurnEnded& event);
  void collect(char key);
  void take_digits();
  void end_collecting();
  void stop_work();
  void last_words(const MachineAct& act);
  void ask(std::string_view say = {});
  void mark_text();
  void answer_comes();
  void open_mouth();
  void finish_saying();
  void abandon();
  void run_calls(const std::vector<speech::ToolCall>& calls);
  void next_step();
  void agent_heard();
  void await_callee();
  void engine_failed(const Error& error);

  const OpenAgent& agent_;
  const Variables variables_;
  const Port port_;
  RealtimeEngines engines_;
  log::Logger log_;
  media::HandlerReport report_;
  OpenWaterfall waterfall_{report_.waterfalls};
  Through through_;
  Mouth mouth_;
  SentenceStream sentences_;
  speech::RequestId request_ = 0;
  bool answering_ = false;           ///< the engine owes an answer, or its rest
  std::int64_t answer_from_ms_ = 0;  ///< of the utterance's audio
  bool listening_ = false;
  std::int64_t spoken_from_ms_ = 0;
  std::vector<std::size_t> committed_turns_;  ///< the callee's, whose words come later
  std::map<std::string, std::string> running_;
  std::optional<Collecting> collecting_;
  std::string last_words_;  ///< to a machine
  std::optional<Closing> closing_;
  bool closing_recalled_ = false;  ///< the callee has kept the agent from hanging up once
  int steps_ = 0;
  int silences_ = 0;
  int failures_ = 0;
  bool awaiting_hello_ = false;  ///< nothing has been said by either side
  bool machine_ = false;         ///< nobody is there: what is heard is no answer
  Dues<Due> due_;
  bool ended_ = false;
};

}  // namespace call::flow
