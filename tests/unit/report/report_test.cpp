#include <catch2/catch.hpp>
#include <numeric>

#include "core/report/call_section.hpp"
#include "core/report/html.hpp"
#include "core/report/loudness.hpp"
#include "core/report/page.hpp"

using namespace call;
using namespace call::report;

namespace {

const Maker kMaker{"1.2.3", *parse_rfc3339("2026-11-27T08:00:00Z")};
constexpr const char* kNasty = "<script>alert(1)</script> \"'>&";

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

Call sample() {
  Call call;
  call.record.call_sid = "CA1";
  call.record.agent = "survey";
  call.record.duration_ms = 10000;
  call.record.end_reason = "completed";
  call.record.outcome = "answered";
  call.record.answers = {{"satisfaction", "4"}};
  record::Turn agent;
  agent.text = "Hello there, how are you today?";
  agent.heard_text = "Hello there,";
  agent.end_ms = 1500;
  agent.heard_ms = 1500;
  agent.interrupted = true;
  record::Turn callee;
  callee.who = record::Speaker::callee;
  callee.text = "fine";
  callee.start_ms = 1600;
  callee.end_ms = 2000;
  callee.intent = "yes";
  call.record.turns = {agent, callee};
  record::Waterfall w;
  w.turn = 1;
  w.speech_end_ms = 2000;
  w.endpoint_ms = 2320;
  w.final_transcript_ms = 2340;
  w.reply_ready_ms = 2341;
  w.first_audio_sent_ms = 2345;
  w.first_heard_ms = 2400;
  call.record.waterfalls = {w};
  call.record.counters.drops["handler_slow"] = 3;
  call.record.recording.masked = {{record::Speaker::callee, 5000, 6000}};
  audio::Wav wav;
  wav.format.channels = 2;
  wav.samples.assign(2 * 8000, 1000);
  call.audio = wav;
  call.name = "Ada";
  call.number = "+1212*****01";
  return call;
}

}  // namespace

TEST_CASE("report: text from outside cannot leave its place") {
  CHECK(escape(kNasty) == "&lt;script&gt;alert(1)&lt;/script&gt; &quot;&#39;&gt;&amp;");
  CHECK(escape("a\x1b[31mb\x80") == "a\xef\xbf\xbd[31mb\xef\xbf\xbd");
  CHECK(isolated("דנה") == "<bdi>דנה</bdi>");
  auto call = sample();
  call.name = call.number = call.audio_note = kNasty;
  call.record.call_sid = call.record.agent = call.record.end_reason = kNasty;
  call.record.outcome = kNasty;
  call.record.answers = {{kNasty, kNasty}};
  call.record.counters.drops = {{kNasty, 1}};
  for (auto& turn : call.record.turns) turn.text = turn.heard_text = turn.intent = kNasty;
  List list;
  list.name = list.tenant = list.state = list.agent = list.note = kNasty;
  list.outcomes = {{kNasty, 1}};
  list.total = 1;
  list.entries = {{1, kNasty, kNasty, kNasty, kNasty, kNasty, 1, kNasty}};
  list.calls = {call};
  for (const auto& html : {call_page(call, {kNasty, kMaker.at}), list_page(list, kMaker)}) {
    CHECK(html.find("<script>alert") == std::string::npos);
    CHECK(count(html, "<script>") == 1);
    CHECK(html.find("=\"\"'") == std::string::npos);
  }
}

TEST_CASE("report: a page loads nothing from anywhere") {
  const auto html = call_page(sample(), kMaker);
  for (const auto* bad : {"http://", "https://", "src=\"//", "@import", "url("}) {
    CHECK(html.find(bad) == std::string::npos);
  }
  CHECK(html.find("default-src 'none'") != std::string::npos);
  CHECK(html.find("data:audio/wav;base64,UklGR") != std::string::npos);
}

TEST_CASE("report: a call shows what was heard, what was not, and where the time went") {
  const auto html = call_page(sample(), kMaker);
  CHECK(html.find("Hello there,<s title=\"never heard\"> how are you today?</s>") !=
        std::string::npos);
  CHECK(html.find("cut off after 1.5 s") != std::string::npos);
  CHECK(html.find("final transcript: 20 ms, until 340 ms") != std::string::npos);
  CHECK(html.find("first token</th>") != std::string::npos);
  CHECK(html.find("dropped: handler_slow</dt><dd>3</dd>") != std::string::npos);
  CHECK(html.find("class=\"mask\" style=\"left:50.000%;width:10.000%\"") != std::string::npos);
  CHECK(html.find("<div><dt>Median answer</dt><dd>400 ms</dd></div>") != std::string::npos);
  CHECK(html.find("calld 1.2.3 · 2026-11-27T08:00:00Z") != std::string::npos);
}

TEST_CASE("report: without audio the page says why, and is drawn if it can be") {
  auto call = sample();
  call.embed_audio = false;
  auto html = call_page(call, kMaker);
  CHECK(html.find("<audio") == std::string::npos);
  CHECK(html.find("The audio is not in this file.") != std::string::npos);
  CHECK(count(html, "<svg") == 2);
  call.audio.reset();
  call.audio_note = "It was removed.";
  html = call_page(call, kMaker);
  CHECK(html.find("It was removed.") != std::string::npos);
  CHECK(count(html, "<svg") == 0);
}

TEST_CASE("report: a list adds up its outcomes, answers and gaps") {
  List list;
  list.name = "spring";
  list.state = "completed";
  list.total = 4;
  list.outcomes = {{"completed", 2}, {"busy", 1}, {"refused", 1}, {"failed", 0}};
  list.entries = {{1, "Ada", "+1", "done", "completed", "", 1, "CA1"},
                  {2, "Bob", "+2", "done", "busy", "", 3, ""},
                  {3, "Cy", "+3", "done", "refused", "do_not_call", 0, ""},
                  {4, "Di", "+4", "done", "completed", "", 1, "CA9"}};
  list.calls = {sample()};
  const auto html = list_page(list, kMaker);
  CHECK(html.find("completed: 2\"") != std::string::npos);
  CHECK(html.find("width:50.000%") != std::string::npos);
  CHECK(html.find("1 × do_not_call") != std::string::npos);
  CHECK(html.find("<a href=\"#call-CA1\"><bdi>Ada</bdi></a>") != std::string::npos);
  CHECK(html.find("#call-CA9") == std::string::npos);
  CHECK(html.find("<bdi>satisfaction</bdi>") != std::string::npos);
  CHECK(html.find("failed: 0") == std::string::npos);
  CHECK(html.find("<dt>median answer</dt><dd>400 ms</dd>") != std::string::npos);
  CHECK(count(html, "<details") == 1);
}

TEST_CASE("report: an empty list and an empty call are pages, too") {
  CHECK(list_page({}, kMaker).find("</html>") != std::string::npos);
  CHECK(call_page({}, kMaker).find("</html>") != std::string::npos);
}

TEST_CASE("report: loudness is the loudest part of each slice") {
  audio::Pcm track(16000, 0);
  std::fill(track.begin() + 8000, track.begin() + 8320, std::int16_t{24000});
  const auto levels = loudness(track, 4);
  REQUIRE(levels.size() == 4);
  CHECK(levels[0] == 0);
  CHECK(levels[1] == 0);
  CHECK(levels[2] == 1);
  CHECK(levels[3] == 0);
  CHECK(loudness({}, 3) == std::vector<float>(3, 0.0F));
}

TEST_CASE("report: quantiles") {
  std::vector<std::int64_t> values(100);
  std::iota(values.begin(), values.end(), 1);
  CHECK(quantile(values, 0.5) == 51);
  CHECK(quantile(values, 0.9) == 91);
  CHECK(quantile({7}, 0.9) == 7);
  CHECK_FALSE(quantile({}, 0.5));
}
