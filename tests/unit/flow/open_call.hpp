// An open conversation on a virtual clock: session, conversation and a carrier that plays what it is
// sent; the engines are scripted.
#pragma once

#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/flow/open_conversation.hpp"
#include "tests/unit/media/virtual_carrier.hpp"

namespace call::flow::test {

inline constexpr int kMsPerLetter = 30;

struct Script {
  std::deque<speech::EngineEvent> news;
  // the listener
  std::deque<std::string> words;
  std::string partial;
  bool deaf = false;
  std::optional<Error> listening_fails;
  std::uint32_t last_flush = 0;
  speech::RequestId utterance = 0;
  // the model
  std::vector<speech::ChatRequest> requests;
  int cancels = 0;
  std::function<void(const speech::ChatRequest&)> on_ask;
  // the voice
  bool voice_fails = false;
  std::vector<std::string> spare_said;
  // the tools
  std::vector<speech::ToolCall> tool_calls;
  std::vector<std::string> tools_cancelled;
  std::vector<std::string> transfers;
  bool transfer_fails = false;

  void reply(const std::string& text, std::vector<speech::ToolCall> calls = {}) {
    const auto id = requests.back().id;
    for (std::size_t at = 0; at < text.size(); at += 5)
      news.push_back(speech::ReplyText{id, text.substr(at, 5)});
    news.push_back(speech::ReplyDone{id, std::move(calls), false});
  }
};

class ScriptedListener final : public speech::Listener {
 public:
  explicit ScriptedListener(Script& script) : script_(script) {}
  void begin(speech::RequestId utterance) override {
    script_.utterance = utterance;
    said_.clear();
    pushed_ = false;
  }
  void push(audio::PcmView) override {
    pushed_ = true;
    if (!script_.partial.empty())
      script_.news.push_back(speech::PartialText{script_.utterance, script_.partial});
  }
  void flush(std::uint32_t number) override {
    script_.last_flush = number;
    if (script_.listening_fails) {
      script_.news.push_back(speech::ListeningFailed{script_.utterance, *script_.listening_fails});
      return;
    }
    if (pushed_ && !script_.words.empty()) {
      if (!said_.empty()) said_ += ' ';
      said_ += script_.words.front();
      script_.words.pop_front();
    }
    pushed_ = false;
    if (!script_.deaf)
      script_.news.push_back(speech::FinalText{script_.utterance, number, said_, 0.9});
  }

 private:
  Script& script_;
  std::string said_;
  bool pushed_ = false;
};

class ScriptedModel final : public speech::ChatModel {
 public:
  explicit ScriptedModel(Script& script) : script_(script) {}
  void ask(speech::ChatRequest request) override {
    script_.requests.push_back(std::move(request));
    if (script_.on_ask) script_.on_ask(script_.requests.back());
  }
  void cancel() override { ++script_.cancels; }

 private:
  Script& script_;
};

class LetterVoice final : public speech::Speaker {
 public:
  LetterVoice(Script& script, bool spare) : script_(script), spare_(spare) {}
  void begin(speech::RequestId utterance) override {
    id_ = utterance;
    chars_ = 0;
  }
  void add(std::string_view text) override {
    if (spare_) script_.spare_said.emplace_back(text);
    if (!spare_ && script_.voice_fails) {
      // Half of it, then nothing more.
      const auto half = text.size() / 2;
      speak(half);
      script_.news.push_back(speech::SpeakingFailed{id_, {Errc::closed, "gone"}});
      return;
    }
    speak(text.size());
  }
  void end() override { script_.news.push_back(speech::SpeakingDone{id_}); }
  void cancel() override { id_ = 0; }

 private:
  void speak(std::size_t letters) {
    chars_ += letters;
    script_.news.push_back(
        speech::SpokenAudio{id_,
                            audio::Mulaw(letters * kMsPerLetter * 8, 0x20),
                            {{chars_, static_cast<std::int64_t>(chars_) * kMsPerLetter}}});
  }
  Script& script_;
  const bool spare_;
  speech::RequestId id_ = 0;
  std::size_t chars_ = 0;
};

class ScriptedTools final : public ToolRunner {
 public:
  explicit ScriptedTools(Script& script) : script_(script) {}
  void run(speech::RequestId, const speech::ToolCall& call) override {
    script_.tool_calls.push_back(call);
  }
  void cancel(const std::string& id) override { script_.tools_cancelled.push_back(id); }

 private:
  Script& script_;
};

inline OpenAgent dentist() {
  OpenAgent agent;
  agent.prompt = "You are Anna.";
  agent.greeting = "Hello there.";
  agent.backchannel = {"mhm", "okay"};
  agent.silence_prompt = "Are you there?";
  agent.goodbye = "Good bye.";
  agent.filler = "One moment.";
  agent.fallback = "Sorry, once more?";
  agent.give_up = "We call again.";
  agent.transfers["reception"] = "+14155550100";
  agent.http_tools["book"] = {};
  agent.http_tools["look"].stops_on_interruption = true;
  agent.tools = std::make_shared<const std::vector<speech::ToolSpec>>(
      std::vector<speech::ToolSpec>{{"hang_up", "", "{}"},
                                    {"transfer", "", "{}"},
                                    {"collect_dtmf", "", "{}"},
                                    {"schedule_callback", "", "{}"},
                                    {"book", "", "{}"},
                                    {"look", "", "{}"}});
  return agent;
}

struct OpenCall {
  explicit OpenCall(OpenAgent a = dentist())
      : agent(std::move(a)), conversation(agent, {}, port(), engines(), log::Logger("flow")) {
    carrier.start();
    conversation.begin();
    deliver();
  }

  Port port() {
    return {[this](media::Command command) {
              if (const auto* hang_up = std::get_if<media::HangUp>(&command))
                hung_up = hang_up->reason;
              carrier.command(std::move(command));
            },
            [](media::Generation) { return true; },
            [this] { return carrier.session.sample_clock_ms(carrier.now); }};
  }
  Engines engines() {
    Engines all;
    all.listener = std::make_unique<ScriptedListener>(script);
    all.model = std::make_unique<ScriptedModel>(script);
    all.voice = std::make_unique<LetterVoice>(script, false);
    all.spare_voice = std::make_unique<LetterVoice>(script, true);
    all.tools = std::make_unique<ScriptedTools>(script);
    all.transfer = [this](const std::string& number) -> Status {
      script.transfers.push_back(number);
      if (script.transfer_fails) return Error{Errc::unavailable, "no"};
      return {};
    };
    return all;
  }

  void deliver() {
    for (bool more = true; more;) {
      more = false;
      while (delivered < carrier.events.size()) {
        const auto event = carrier.events[delivered++];
        conversation.on_event(event);
        more = true;
      }
      while (!script.news.empty()) {
        auto news = std::move(script.news.front());
        script.news.pop_front();
        conversation.on_news(std::move(news));
        more = true;
      }
    }
  }
  void run(int ms, bool speaks = false) {
    for (int t = 0; t < ms && !conversation.ended(); t += 20) {
      carrier.run(20, speaks);
      deliver();
      conversation.on_due();
      deliver();
    }
  }
  /// The callee says something and is silent long enough for its turn to be over.
  void say(const std::string& words, int ms = 600) {
    script.words.push_back(words);
    run(ms, true);
    run(1000);
  }
  /// Lets the agent finish what it says.
  void listen(int ms = 8000) { run(ms); }
  const speech::ChatRequest& request() const { return script.requests.back(); }
  std::string asked(std::size_t back = 0) const {
    const auto& messages = request().messages;
    return messages[messages.size() - 1 - back].text;
  }

  OpenAgent agent;
  Script script;
  media::test::VirtualCarrier carrier;
  std::string hung_up;
  std::size_t delivered = 0;
  OpenConversation conversation;
};

}  // namespace call::flow::test
