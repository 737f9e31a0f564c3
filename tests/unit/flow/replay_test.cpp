// A whole conversation on a virtual clock, taped and run again.
#include "core/flow/replay.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>

#include "core/flow/catalog.hpp"
#include "core/flow/taped_conversation.hpp"
#include "core/record/tape.hpp"
#include "tests/unit/media/virtual_carrier.hpp"

using namespace call;
using namespace call::flow;
using media::test::VirtualCarrier;

namespace {

struct ScriptedEars final : Ears {
  explicit ScriptedEars(std::deque<std::string>& w) : words(w) {}
  void start() override {}
  void push(audio::PcmView) override {}
  speech::Transcript finish() override {
    speech::Transcript transcript;
    if (words.empty()) return transcript;
    transcript.text = words.front();
    words.pop_front();
    transcript.accepted = true;
    transcript.confidence = 0.7312345678901234;
    transcript.words = {
        {transcript.text, std::chrono::milliseconds(300), std::chrono::milliseconds(700)}};
    return transcript;
  }
  std::deque<std::string>& words;
};

Status speak_letters(std::string_view text, const speech::Synthesizer::Sink& sink) {
  const audio::Pcm letter(25 * 8, 5000);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!sink(letter)) return Error{Errc::cancelled, "stopped"};
  }
  return {};
}

struct TapedCall {
  TapedCall()
      : tape([this](std::string bytes) {
          handler += bytes;
          return true;
        }) {
    tape.begin(builtin_survey());
    Port port{[this](media::Command command) { carrier.command(std::move(command)); },
              [](media::Generation) { return true; },
              [this] { return carrier.session.sample_clock_ms(carrier.now); }};
    conversation.emplace(Dialogue(agent, matcher, variables_of({{"agent", "x"}})),
                         tape.tap(std::move(port)), tape.tap(std::make_unique<ScriptedEars>(words)),
                         tape.tap(Speak(speak_letters)), log::Logger("flow"));
    carrier.start();
    conversation->begin();
  }

  void run(int ms, bool speaks = false) {
    for (int t = 0; t < ms && !conversation->ended(); t += 20) {
      carrier.run(20, speaks);
      for (; delivered < carrier.events.size(); ++delivered) {
        const auto event = carrier.events[delivered];
        tape.event(event);
        conversation->on_event(event);
      }
      const auto due = conversation->next_due_ms();
      if (!due || carrier.session.sample_clock_ms(carrier.now) < *due) continue;
      tape.due();
      conversation->on_due();
    }
  }
  void answer(const std::string& text) {
    words.push_back(text);
    run(500, true);
    run(9000);
  }
  /// The whole file.
  std::string end() {
    run(20000);
    report = conversation->report();
    tape.end(report);
    return std::string(record::kTapeMagic) +
           record::tape_chunk(record::Track::session, carrier.taped.take_tape(1)) +
           record::tape_chunk(record::Track::handler, handler);
  }

  Agent agent = *parse_agent(builtin_survey(), "survey", "survey.toml");
  speech::IntentMatcher matcher = *speech::IntentMatcher::create(agent.phrases);
  VirtualCarrier carrier{{}, true};
  std::deque<std::string> words;
  std::string handler;
  HandlerTape tape;
  std::size_t delivered = 0;
  std::optional<Conversation> conversation;
  media::HandlerReport report;
};

std::string survey() {
  TapedCall call;
  call.run(1200);
  call.run(500, true);  // a cough over the greeting: it resumes
  call.run(9000);
  call.answer("yes");
  call.answer("banana");
  call.answer("four");
  call.answer("no");
  auto file = call.end();
  REQUIRE(call.carrier.session.end_reason() == "completed");
  REQUIRE(call.report.answers.at("satisfaction") == "4");
  REQUIRE(std::ranges::any_of(call.report.turns, [](const record::Turn& turn) {
    return turn.text == "four" && turn.words.size() == 1 &&
           turn.words[0].start_ms >= turn.start_ms - 300 &&
           turn.words[0].end_ms < turn.end_ms + 300;
  }));
  return file;
}

std::string changed(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  REQUIRE(from.size() == to.size());
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("flow.replay: session and conversation decide again what they decided, bit for bit") {
  const auto replayed = replay(survey());
  REQUIRE(replayed);
  if (const auto& d = replayed->handler_difference) {
    FAIL(d->input << "\ntape: " << d->on_tape << "\nnow:  " << d->now);
  }
  CHECK(replayed->identical());
  CHECK(replayed->has_handler);
  CHECK(replayed->handler_complete);
  CHECK(replayed->handler_inputs > 50);
  CHECK(replayed->handler_decisions > 100);
}

TEST_CASE("flow.replay: another dialogue is another decision, and it is shown") {
  auto tape = changed(survey(), "yes = \"rating\"", "yes = \"later\" ");
  const auto replayed = replay(tape);
  REQUIRE(replayed);
  CHECK_FALSE(replayed->session.difference);
  REQUIRE(replayed->handler_difference);
  CHECK_FALSE(replayed->identical());
  CHECK(replayed->handler_difference->input.find("speech paused") != std::string::npos);
  CHECK(replayed->handler_difference->on_tape == "begin g4");
  CHECK(replayed->handler_difference->now == "begin g4, not interruptible");
}

TEST_CASE("flow.replay: another transcript is another decision") {
  const auto replayed = replay(changed(survey(), "\"text\":\"four\"", "\"text\":\"five\""));
  REQUIRE(replayed);
  CHECK(replayed->handler_difference);
}

TEST_CASE("flow.replay: without its end the tape is replayed as far as it goes") {
  const auto tape = survey();
  const auto replayed = replay(std::string_view(tape).substr(0, tape.size() - 5000));
  REQUIRE(replayed);
  CHECK(replayed->identical());
  CHECK_FALSE(replayed->handler_complete);
}

TEST_CASE("flow.replay: what is no tape is an error") {
  CHECK(replay("nothing").error().code == Errc::protocol);
  CHECK(replay(record::kTapeMagic).error().code == Errc::protocol);
}
