// A whole conversation on a virtual clock: session, conversation, dialogue, and a carrier that plays what it is sent.
// Only the speech engines are scripted.
#pragma once

#include <catch2/catch.hpp>
#include <deque>

#include "core/flow/catalog.hpp"
#include "core/flow/conversation.hpp"
#include "tests/unit/media/virtual_carrier.hpp"

namespace call::flow::test {

using media::test::VirtualCarrier;

inline constexpr int kMsPerLetter = 30;

struct ScriptedEars final : Ears {
  explicit ScriptedEars(std::deque<std::string>& w) : words(w) {}
  void start() override { pushed = 0; }
  void push(audio::PcmView pcm) override { pushed += pcm.size(); }
  speech::Transcript finish() override {
    speech::Transcript transcript;
    if (pushed == 0 || words.empty()) return transcript;
    transcript.text = words.front();
    words.pop_front();
    transcript.accepted = !transcript.text.empty();
    transcript.confidence = transcript.accepted ? 0.9 : 0;
    return transcript;
  }
  std::deque<std::string>& words;
  std::size_t pushed = 0;
};

inline Status speak_letters(std::string_view text, const speech::Synthesizer::Sink& sink) {
  const audio::Pcm letter(kMsPerLetter * 8, 5000);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!sink(letter)) return Error{Errc::cancelled, "stopped"};
  }
  return {};
}

/// A call that a test holds: it says when the callee speaks and what the recogniser makes of it.
struct SpokenCall {
  /// `more`: tables of the agent behind those of the survey; or a whole agent, beginning with "start".
  explicit SpokenCall(const std::string& name = "Ada Lovelace", const std::string& more = "")
      : agent(parse(more)),
        carrier(options()),
        conversation(Dialogue(agent, matcher, variables_of({{"name", name}})), port(),
                     std::make_unique<ScriptedEars>(words), speak_letters, log::Logger("flow"),
                     agent.turns) {
    carrier.start();
    conversation.begin();
  }

  Port port() {
    return {[this](media::Command command) { carrier.command(std::move(command)); },
            [](media::Generation) { return true; },
            [this] { return carrier.session.sample_clock_ms(carrier.now); }};
  }

  void run(int ms, bool speaks = false) {
    for (int t = 0; t < ms && !conversation.ended(); t += 20) {
      carrier.run(20, speaks);
      deliver();
      conversation.on_due();
      deliver();
    }
  }
  void deliver() {
    while (delivered < carrier.events.size()) {
      const auto event = carrier.events[delivered++];
      conversation.on_event(event);
    }
  }
  /// Lets the agent finish what it says.
  void listen() {
    const auto saying = carrier.last<media::Heard>();
    for (int t = 0; t < 30000; t += 20) {
      run(20);
      const auto heard = carrier.last<media::Heard>();
      if (heard && heard->complete &&
          (!saying || heard->generation > saying->generation || !saying->complete))
        return;
      if (conversation.ended()) return;
    }
    FAIL("the agent never finishes");
  }
  void answer(const std::string& text, int ms = 500) {
    words.push_back(text);
    run(ms, true);
  }
  void stop() {
    carrier.text(R"({"event":"stop","streamSid":"MZ1","stop":{}})");
    deliver();
  }

  static Agent parse(const std::string& more) {
    const auto toml = more.starts_with("start") ? more : std::string(builtin_survey()) + more;
    auto parsed = parse_agent(toml, "survey", "survey.toml");
    if (!parsed) FAIL(parsed.error().to_string());
    return std::move(*parsed);
  }
  media::SessionOptions options() const {
    media::SessionOptions o;
    o.tuning = agent.turns.tuning;
    return o;
  }
  void press(const std::string& keys) {
    for (const char key : keys) {
      carrier.text(R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":")" + std::string(1, key) +
                   "\"}}");
      deliver();
    }
  }
  /// What the agent has said so far, also the part that nobody heard.
  std::vector<std::string> said() {
    std::vector<std::string> texts;
    for (const auto& turn : conversation.report().turns) {
      if (turn.who == record::Speaker::agent) texts.push_back(turn.text);
    }
    return texts;
  }

  Agent agent;
  speech::IntentMatcher matcher = *speech::IntentMatcher::create(agent.phrases);
  VirtualCarrier carrier;
  std::deque<std::string> words;
  std::size_t delivered = 0;
  Conversation conversation;
};

}  // namespace call::flow::test
