// An open conversation on a virtual clock: session, conversation and a carrier that plays what it is
// sent; the engines are scripted.
#pragma once

#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/flow/open_conversation.hpp"
#include "core/flow/taped_conversation.hpp"
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
    samples_ = 0;
    pushed_ = false;
  }
  void push(audio::PcmView pcm) override {
    pushed_ = true;
    samples_ += pcm.size();
    if (!script_.partial.empty())
      script_.news.push_back(speech::PartialText{script_.utterance, script_.partial});
  }
  void flush(std::uint32_t number) override {
    script_.last_flush = number;
    if (script_.listening_fails) {
      script_.news.push_back(
          speech::ListeningFailed{script_.utterance, number, *script_.listening_fails});
      return;
    }
    if (pushed_ && !script_.words.empty()) {
      if (!said_.empty()) said_ += ' ';
      said_ += script_.words.front();
      script_.words.pop_front();
    }
    pushed_ = false;
    if (!script_.deaf)
      script_.news.push_back(speech::FinalText{script_.utterance, number, said_, 0.9, timed()});
  }

 private:
  /// One word over all of the audio.
  std::vector<speech::TimedWord> timed() const {
    if (said_.empty()) return {};
    return {{said_, std::chrono::milliseconds(0), audio::duration_of(samples_)}};
  }
  Script& script_;
  std::string said_;
  std::size_t samples_ = 0;
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

inline Engines engines_of(Script& script) {
  Engines all;
  all.listener = std::make_unique<ScriptedListener>(script);
  all.model = std::make_unique<ScriptedModel>(script);
  all.voice = std::make_unique<LetterVoice>(script, false);
  all.spare_voice = std::make_unique<LetterVoice>(script, true);
  all.tools = std::make_unique<ScriptedTools>(script);
  return all;
}

inline const std::string kThreeEngines = R"(
[listener]
provider = "deepgram"
key_file = "not-there.key"
[model]
provider = "openai"
model = "m"
[voice]
provider = "elevenlabs"
voice = "v"
)";

inline std::string dentist_toml(const std::string& engines = kThreeEngines) {
  return R"(prompt = "You are Anna."
greeting = "Hello there."
builtin_tools = ["hang_up", "transfer", "collect_dtmf", "schedule_callback"]
[transfers]
reception = "+14155550100"
[tools.book]
url = "http://127.0.0.1/book"
[tools.look]
url = "http://127.0.0.1/look"
stops_on_interruption = true
[turns]
back_channel = ["mhm", "okay"]
[voicemail]
farewell = "Sorry."
)" + engines +
         R"([conversation]
silence_prompt = "Are you there?"
goodbye = "Good bye."
filler = "One moment."
fallback = "Sorry, once more?"
give_up = "We call again."
)";
}

/// Without its keys: nothing is connected.
inline OpenAgent parsed(const std::string& toml) {
  auto agent = parse_open_agent(toml, "x", "x.toml", std::nullopt);
  if (!agent) FAIL(agent.error().to_string());
  return std::move(*agent);
}

inline OpenAgent dentist() {
  return parsed(dentist_toml());
}

/// `S`: what its engines do, with an engines_of() of its own. Every call is taped.
template <class C, class S>
struct CallOf {
  explicit CallOf(OpenAgent a) : CallOf(std::move(a), std::string()) {}
  /// A call that can be replayed, because its agent is what the tape says.
  explicit CallOf(const std::string& text) : CallOf(parsed(text), text) {}
  CallOf(OpenAgent a, std::string t)
      : toml(std::move(t)),
        agent(std::move(a)),
        carrier(options(), true),
        tape([this](std::string bytes) {
          handler_track += bytes;
          return true;
        }),
        conversation(agent, {{"name", "Ada"}}, tape.tap(port()), engines(), log::Logger("flow")) {
    carrier.start();
    conversation.begin();
    deliver();
  }

  media::SessionOptions options() const {
    media::SessionOptions o;
    o.tuning = agent.turns.tuning;
    return o;
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
  auto engines() {
    tape.begin(toml);
    auto all = noted(engines_of(script), tape.note());
    all.transfer = tape.tap(Connect([this](const std::string& number) -> Status {
      script.transfers.push_back(number);
      if (script.transfer_fails) return Error{Errc::unavailable, "no"};
      return {};
    }));
    return all;
  }

  void deliver() {
    for (bool more = true; more;) {
      more = false;
      while (delivered < carrier.events.size()) {
        const auto event = carrier.events[delivered++];
        tape.event(event);
        conversation.on_event(event);
        more = true;
      }
      while (!script.news.empty()) {
        auto news = std::move(script.news.front());
        script.news.pop_front();
        tape.news(news);
        conversation.on_news(std::move(news));
        more = true;
      }
    }
  }
  void run(int ms, bool speaks = false) {
    for (int t = 0; t < ms && !conversation.ended(); t += 20) {
      carrier.run(20, speaks);
      deliver();
      const auto due = conversation.next_due_ms();
      if (due && carrier.session.sample_clock_ms(carrier.now) >= *due) {
        tape.due();
        conversation.on_due();
        deliver();
      }
      check_alive(speaks);
    }
  }
  /// Someone must be about to act: a voice, the carrier's queue, a timer, or an engine that owes an
  /// answer. Only in tests that know what the engines owe.
  void check_alive(bool speaks) {
    const bool alive = speaks || carrier.queued_ms > 0 || conversation.next_due_ms() ||
                       conversation.ended() || !engines_owe || engines_owe();
    idle_ms = alive ? 0 : idle_ms + 20;
    if (idle_ms > 15'000) FAIL("nobody is about to do anything");
  }
  /// The callee says something and is silent long enough for its turn to be over.
  void say(const std::string& words, int ms = 600) {
    script.words.push_back(words);
    run(ms, true);
    run(1000);
  }
  void press(const std::string& keys) {
    for (const char key : keys) {
      carrier.text(R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":")" + std::string(1, key) +
                   "\"}}");
      run(100);
    }
  }
  /// A machine was heard, whatever the line sounds like.
  void machine(bool beep) {
    conversation.on_event(media::MachineHeard{beep, carrier.session.sample_clock_ms(carrier.now)});
    deliver();
  }
  /// Lets the agent finish what it says.
  void listen(int ms = 8000) { run(ms); }
  const media::HandlerReport& report() const { return conversation.report(); }
  /// What the agent has said so far, also the part that nobody heard.
  std::vector<std::string> said() const {
    std::vector<std::string> texts;
    for (const auto& turn : report().turns) {
      if (turn.who == record::Speaker::agent) texts.push_back(turn.text);
    }
    return texts;
  }
  /// The whole tape, when the call is over or broken off.
  std::string tape_file() {
    tape.end(report());
    return std::string(record::kTapeMagic) +
           record::tape_chunk(record::Track::session, carrier.taped.take_tape(1)) +
           record::tape_chunk(record::Track::handler, handler_track);
  }

  const std::string toml;
  OpenAgent agent;
  S script;
  media::test::VirtualCarrier carrier;
  std::string hung_up;
  std::function<bool()> engines_owe;
  int idle_ms = 0;
  std::size_t delivered = 0;
  std::string handler_track;
  HandlerTape tape;
  C conversation;
};

struct OpenCall : CallOf<OpenConversation, Script> {
  explicit OpenCall(OpenAgent a = dentist()) : CallOf(std::move(a)) {}
  explicit OpenCall(const std::string& text) : CallOf(text) {}
  const speech::ChatRequest& request() const { return script.requests.back(); }
  std::string asked(std::size_t back = 0) const {
    const auto& messages = request().messages;
    return messages[messages.size() - 1 - back].text;
  }
};

}  // namespace call::flow::test
