#include "cmd/timeline.hpp"

#include <catch2/catch.hpp>

#include "cmd/text_width.hpp"
#include "cmd/waterfall.hpp"
#include "core/base/strings.hpp"

using namespace call;
using namespace call::cmd;

namespace {

Screen screen(std::size_t columns) {
  Screen screen;
  screen.terminal = true;
  screen.columns = columns;
  return screen;
}

record::CallRecord sample() {
  record::CallRecord record;
  record.duration_ms = 20000;
  record::Turn agent;
  agent.text = "Hello";
  agent.end_ms = 5000;
  agent.interrupted = true;
  record::Turn callee;
  callee.who = record::Speaker::callee;
  callee.start_ms = 5500;
  callee.end_ms = 7000;
  record::Turn key = callee;
  key.start_ms = key.end_ms = 15000;
  key.digits = true;
  record.turns = {agent, callee, key};
  return record;
}

audio::Wav recording(const record::CallRecord& record) {
  audio::Wav wav;
  wav.format.channels = 2;
  wav.samples.assign(static_cast<std::size_t>(record.duration_ms) * 16, 0);
  for (std::size_t i = 0; i < 5000 * 8; ++i) wav.samples[2 * i + 1] = 26000;
  for (std::size_t i = 5500 * 8; i < 7000 * 8; ++i) wav.samples[2 * i] = 1500;
  return wav;
}

std::string_view line_of(const std::string& text, std::string_view name) {
  for (const auto line : split(text, '\n')) {
    if (trim(line).starts_with(name)) return line;
  }
  return {};
}

}  // namespace

TEST_CASE("cmd.timeline: both tracks are drawn where they are loud") {
  const auto record = sample();
  const auto wav = recording(record);
  const auto text = draw_timeline(record, &wav, screen(90));
  const auto agent = std::string(line_of(text, "agent")).substr(9);
  const auto callee = std::string(line_of(text, "callee")).substr(9);
  CHECK(agent.starts_with("██████████████████"));
  CHECK(display_width(agent) <= 22);  // a quarter of 80 columns, and a border
  CHECK(display_width(agent) >= 20);
  CHECK(callee.find("█") == std::string::npos);
  CHECK(callee.find_first_not_of(' ') >= 21);
  CHECK(text.find("×") != std::string::npos);
  CHECK(text.find("# keyed") != std::string::npos);
}

TEST_CASE("cmd.timeline: no line is wider than the terminal, and a long call takes rows") {
  auto record = sample();
  record.duration_ms = 90000;
  const auto wav = recording(record);
  for (const std::size_t columns : {21U, 40U, 80U, 200U}) {
    const auto text = draw_timeline(record, &wav, screen(columns));
    std::size_t rows = 0;
    for (const auto line : split(text, '\n')) {
      if (trim(line).starts_with("agent")) ++rows;
      if (line.find("interrupted") == std::string_view::npos) CHECK(display_width(line) <= columns);
    }
    CHECK(rows >= (columns < 200 ? 2U : 1U));
    CHECK(rows <= 12);
  }
}

TEST_CASE("cmd.timeline: without a recording the turns are drawn, and it says so") {
  const auto text = draw_timeline(sample(), nullptr, screen(90));
  CHECK(line_of(text, "agent").find("▆▆▆") != std::string_view::npos);
  CHECK(text.find("a turn, by the record") != std::string::npos);
}

TEST_CASE("cmd.timeline: what was redacted is marked") {
  auto record = sample();
  record.recording.masked = {{record::Speaker::callee, 10000, 12000}};
  const auto text = draw_timeline(record, nullptr, screen(90));
  CHECK(line_of(text, "callee").find("░░░░") != std::string_view::npos);
  CHECK(text.find("░ redacted") != std::string::npos);
}

TEST_CASE("cmd.timeline: a call without anything is a line, not a crash") {
  CHECK_FALSE(draw_timeline({}, nullptr, screen(80)).empty());
}

TEST_CASE("cmd.waterfall: the bars fit the terminal, and only stages that happened are explained") {
  auto record = sample();
  record::Waterfall w;
  w.turn = 1;
  w.speech_end_ms = 7000;
  w.endpoint_ms = 7320;
  w.first_heard_ms = 7900;
  record.waterfalls = {w};
  for (const std::size_t columns : {21U, 40U, 80U, 200U}) {
    const auto text = draw_waterfall(record, screen(columns));
    const auto bar = split(text, '\n')[1];
    CHECK(display_width(bar) <= std::max<std::size_t>(columns, 30));
    CHECK(bar.find("900 ms") != std::string_view::npos);
    CHECK(text.find("on the way until heard") != std::string::npos);
    CHECK(text.find("token") == std::string::npos);
  }
}
