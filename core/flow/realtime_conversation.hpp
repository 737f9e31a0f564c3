// A conversation held by one engine that listens, thinks and speaks (OpenAI Realtime). The turns are
// ours: our voice detector ends them, and an interruption cuts the engine's memory to what was heard.
// One thread (the call's handler), no clock of its own.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "core/flow/builtin_tools.hpp"
#include "core/flow/conversation.hpp"
#include "core/flow/mouth.hpp"
#include "core/flow/open_agent.hpp"
#include "core/flow/render.hpp"
#include "core/flow/sentence_stream.hpp"
#include "core/flow/tool_runner.hpp"
#include "core/provider/openai_realtime.hpp"

namespace call::flow {

struct RealtimeEngines {
  std::unique_ptr<provider::OpenAiRealtime> engine;
  std::unique_ptr<speech::Speaker> spare_voice;
  std::unique_ptr<ToolRunner> tools;
  std::function<Status(const std::string& number)> transfer;
};

class RealtimeConversation {
 public:
  /// `agent` must outlive it.
  RealtimeConversation(const OpenAgent& agent, const Variables& variables, Port port,
                       RealtimeEngines engines, log::Logger log);

  void begin();
  void on_event(const media::Event& event);
  void on_news(speech::EngineEvent news);
  std::optional<std::int64_t> next_due_ms() const { return silence_due_ms_; }
  void on_due();
  bool ended() const { return ended_; }
  media::HandlerReport report();

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

  void on(const media::SpeechBegan& event);
  void on(const media::SpeechAudio& event);
  void on(const media::TurnEnded& event);
  void on(const media::BargedIn& event);
  void on(const media::FirstAudioSent& event);
  void on(const media::Heard& event);
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

  void ask(std::string_view say = {});
  void open_mouth();
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
  Through through_;
  Mouth mouth_;
  SentenceStream sentences_;
  speech::RequestId request_ = 0;
  bool answering_ = false;           ///< the engine owes an answer, or its rest
  std::int64_t answer_from_ms_ = 0;  ///< of the utterance's audio
  bool listening_ = false;
  std::optional<std::size_t> unheard_turn_;  ///< the callee's, whose words are not known yet
  std::map<std::string, std::string> running_;
  std::optional<Closing> closing_;
  int steps_ = 0;
  int silences_ = 0;
  int failures_ = 0;
  std::optional<std::int64_t> silence_due_ms_;
  std::optional<std::size_t> open_waterfall_;
  bool ended_ = false;
};

}  // namespace call::flow
