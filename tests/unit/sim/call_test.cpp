// Whole calls: webhooks, TwiML, media, truth. Real sockets, real speech.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/audio/g711.hpp"
#include "core/audio/level.hpp"
#include "core/audio/wav.hpp"
#include "core/base/ids.hpp"
#include "core/crypto/base64.hpp"
#include "tests/unit/sim/application.hpp"

using namespace call;
using namespace call::sim;
using namespace call::sim::test;
using nlohmann::json;

namespace {

constexpr std::uint8_t kLoud = 0x20;

bool is_loud(const json& media) {
  const auto bytes = *crypto::base64_decode(media["media"]["payload"].get<std::string>());
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return audio::dbov(audio::mulaw_decode(audio::MulawView(data, bytes.size()))) > -45;
}

/// Says something, waits for the caller's answer, says good-bye and closes.
MediaServer::Behaviour polite_agent() {
  struct State {
    bool asked = false;
    bool answered = false;
    int quiet = 0;
  };
  return [state = std::make_shared<State>()](const json& message, const MediaServer::Reply& reply) {
    const auto& event = message["event"];
    if (event == "start") {
      reply.media(4800, kLoud);  // 600 ms
      reply.send({{"event", "mark"}, {"mark", {{"name", "asked"}}}});
    } else if (event == "mark" && message["mark"]["name"] == "asked") {
      state->asked = true;
    } else if (event == "mark" && message["mark"]["name"] == "bye") {
      reply.close();
    } else if (event == "media" && state->asked) {
      if (is_loud(message)) state->answered = true;
      state->quiet = is_loud(message) ? 0 : state->quiet + 1;
      if (!state->answered || state->quiet < 15) return;
      state->asked = false;
      reply.media(2400, kLoud);  // 300 ms
      reply.send({{"event", "mark"}, {"mark", {{"name", "bye"}}}});
    }
  };
}

bool has_warning(const json& call, int code) {
  const auto& list = call["warnings"];
  return std::any_of(list.begin(), list.end(), [code](const json& w) { return w["code"] == code; });
}

std::filesystem::path new_folder() {
  return std::filesystem::temp_directory_path() / ("calld-sim-test-" + random_hex(8));
}

}  // namespace

TEST_CASE("sim.call: a conversation from the first ring to the truth on disk") {
  const auto folder = new_folder();
  MediaServer media([] { return polite_agent(); });
  Fixture fixture("lines = [\"Yes please.\"]\nvoice = \"kal16\"\n",
                  [&](Options& options) { options.truth_dir = folder; });
  auto request = fixture.request(connect_twiml("url='" + media.url() + "' statusCallback='" +
                                               fixture.application.url("/stream") + "'"));
  const auto placed = fixture.call(request);
  fixture.application.wait_for_end(placed.sid);

  const auto progress = fixture.application.wait_for("/status", 4);
  const std::vector<std::string> statuses{"initiated", "ringing", "in-progress", "completed"};
  for (std::size_t i = 0; i < 4; ++i) {
    REQUIRE(progress[i].get("CallStatus") == statuses[i]);
    REQUIRE(progress[i].get("SequenceNumber") == std::to_string(i));
    REQUIRE(progress[i].get("CallbackSource") == "call-progress-events");
    REQUIRE(progress[i].get("CallSid") == placed.sid);
    REQUIRE(parse_rfc2822(progress[i].get("Timestamp")));
  }
  REQUIRE(progress[3].get("SipResponseCode") == "200");
  const auto stream = fixture.application.wait_for("/stream", 2);
  REQUIRE(stream[0].get("StreamEvent") == "stream-started");
  REQUIRE(stream[1].get("StreamEvent") == "stream-stopped");
  REQUIRE(fixture.application.unsigned_requests() == 0);

  const auto call = fixture.truth("/sim/calls/" + placed.sid);
  INFO(call.dump(2));
  REQUIRE(call["lines_said"] == 1);
  REQUIRE(call["said_ms"].get<int>() > 300);
  REQUIRE(call["heard_ms"] == 900);
  REQUIRE(call["marks"] == 2);
  REQUIRE(call["gaps"] == 0);
  REQUIRE(call["barge_ins"] == 0);
  REQUIRE(call["turn_gap_ms"].size() == 1);
  REQUIRE(call["turn_gap_ms"][0].get<int>() >= 180);
  REQUIRE(has_warning(call, 31921));
  REQUIRE(fixture.truth("/sim/report")["by_status"]["completed"] == 1);

  fixture.server->stop(soon());
  std::ifstream log(folder / placed.sid / "events.jsonl");
  std::int64_t heard = 0;
  std::string line;
  bool ended = false;
  while (std::getline(log, line)) {
    const auto event = json::parse(line);
    if (event["event"] == "heard")
      heard += event["to_ms"].get<std::int64_t>() - event["from_ms"].get<std::int64_t>();
    if (event["event"] == "ended") ended = true;
  }
  REQUIRE(heard == 900);
  REQUIRE(ended);
  const auto wav = audio::read_wav(folder / placed.sid / "call.wav");
  REQUIRE(wav.ok());
  const auto right = wav.value().channel(1);
  const auto loud = std::count(right.begin(), right.end(), audio::mulaw_decode(kLoud));
  REQUIRE(loud == 4800 + 2400);
  REQUIRE(audio::rms(wav.value().channel(0)) > 100);
  std::filesystem::remove_all(folder);
}

TEST_CASE("sim.call: an interrupting caller measures how fast the agent falls silent") {
  MediaServer media([] {
    auto cleared = std::make_shared<bool>(false);
    return [cleared](const json& message, const MediaServer::Reply& reply) {
      if (message["event"] == "start") reply.media(80000, kLoud);  // 10 s
      if (message["event"] != "media" || *cleared || !is_loud(message)) return;
      *cleared = true;
      reply.send({{"event", "clear"}});
      reply.send({{"event", "mark"}, {"mark", {{"name", "silent"}}}});
    };
  });
  Fixture fixture(
      "lines = [{ say = \"Stop. Stop it.\", interrupt_after_ms = 400 }]\n"
      "patience_s = 0.5\nvoice = \"kal16\"\n");
  const auto placed = fixture.call(fixture.request(connect_twiml("url='" + media.url() + "'")));
  fixture.application.wait_for_end(placed.sid);
  const auto call = fixture.truth("/sim/calls/" + placed.sid);
  INFO(call.dump(2));
  REQUIRE(call["barge_ins"] == 1);
  REQUIRE(call["clears"] == 1);
  REQUIRE(call["barge_in_stop_ms"].size() == 1);
  REQUIRE(call["barge_in_stop_ms"][0].get<int>() <= 400);
  REQUIRE(call["heard_ms"].get<int>() < 1500);
  REQUIRE(call["ended_by"] == "heard nothing");
}

TEST_CASE("sim.call: an agent that stutters is found out") {
  MediaServer media([] {
    auto frames = std::make_shared<int>(0);
    return [frames](const json& message, const MediaServer::Reply& reply) {
      if (message["event"] == "start") reply.media(800, kLoud);  // 100 ms
      if (message["event"] != "media") return;
      if (++*frames == 15) reply.media(800, kLoud);  // 300 ms later: 200 ms too late
      if (*frames == 40) reply.close();
    };
  });
  Fixture fixture("");
  const auto placed = fixture.call(fixture.request(connect_twiml("url='" + media.url() + "'")));
  fixture.application.wait_for_end(placed.sid);
  const auto call = fixture.truth("/sim/calls/" + placed.sid);
  INFO(call.dump(2));
  REQUIRE(call["gaps"].get<int>() + call["gaps_while_late"].get<int>() == 1);
  REQUIRE(call["heard_ms"] == 200);
}

TEST_CASE("sim.call: keys reach the server as dtmf events") {
  auto digits = std::make_shared<std::string>();
  MediaServer media([digits] {
    return [digits](const json& message, const MediaServer::Reply& reply) {
      if (message["event"] == "start") reply.media(4800, kLoud);
      if (message["event"] != "dtmf") return;
      *digits += message["dtmf"]["digit"].get<std::string>();
      if (digits->size() == 3) reply.close();
    };
  });
  Fixture fixture("lines = [{ press = \"42#\" }]\n");
  const auto placed = fixture.call(fixture.request(connect_twiml("url='" + media.url() + "'")));
  fixture.application.wait_for_end(placed.sid);
  REQUIRE(*digits == "42#");
}

TEST_CASE("sim.call: telephones that nobody picks up end as Twilio reports them") {
  const auto outcome = [](const std::string& pickup) {
    Fixture fixture("pickup = \"" + pickup + "\"\n");
    const auto placed = fixture.call(fixture.request("<Response><Hangup/></Response>"));
    const auto end = fixture.application.wait_for_end(placed.sid);
    REQUIRE(end.get("CallDuration") == "0");
    return end.get("CallStatus") + " " + end.get("SipResponseCode");
  };
  REQUIRE(outcome("busy") == "busy 486");
  REQUIRE(outcome("no_answer") == "no-answer 487");
  REQUIRE(outcome("failed") == "failed 404");
}

TEST_CASE("sim.call: voicemail is detected while the call goes on") {
  Fixture fixture("pickup = \"voicemail\"\ngreeting = \"Hello.\"\nvoice = \"kal16\"\n");
  auto request = fixture.request("<Response><Pause length='30'/></Response>");
  carrier::MachineDetection amd;
  amd.async_callback_url = fixture.application.url("/amd");
  amd.speech_threshold = std::chrono::milliseconds(1000);
  request.machine_detection = amd;
  const auto placed = fixture.call(request);
  const auto verdict = fixture.application.wait_for("/amd", 1).at(0);
  REQUIRE(verdict.get("AnsweredBy") == "machine_start");
  REQUIRE(verdict.get("CallSid") == placed.sid);
  REQUIRE_FALSE(verdict.get("MachineDetectionDuration").empty());
  REQUIRE(fixture.client().fetch_call(placed.sid, soon()).value().answered_by ==
          carrier::AnsweredBy::machine_start);
}

TEST_CASE("sim.call: synchronous detection delays the document and tells it the verdict") {
  Fixture fixture("greeting = \"Hello?\"\nvoice = \"kal16\"\n");
  fixture.application.answer("/answer", 200, "<Response><Hangup/></Response>");
  auto request = fixture.request("");
  request.url = fixture.application.url("/answer");
  request.machine_detection = carrier::MachineDetection{};
  request.machine_detection->speech_end_threshold = std::chrono::milliseconds(500);
  fixture.call(request);
  const auto fetched = fixture.application.wait_for("/answer", 1).at(0);
  REQUIRE(fetched.get("AnsweredBy") == "human");
  REQUIRE(fetched.get("CallStatus") == "in-progress");
}

TEST_CASE("sim.call: a document that fails leads to the fallback, with the error") {
  for (const auto& [status, body, code] : std::vector<std::tuple<int, std::string, std::string>>{
           {500, "", "11200"}, {200, "<Response>", "12100"}}) {
    Fixture fixture("");
    fixture.application.answer("/answer", status, body);
    fixture.application.answer("/fallback", 200, "<Response><Hangup/></Response>");
    auto request = fixture.request("");
    request.url = fixture.application.url("/answer");
    request.fallback_url = fixture.application.url("/fallback");
    const auto placed = fixture.call(request);
    const auto fallback = fixture.application.wait_for("/fallback", 1).at(0);
    REQUIRE(fallback.get("ErrorCode") == code);
    REQUIRE(fallback.get("ErrorUrl") == fixture.application.url("/answer"));
    fixture.application.wait_for_end(placed.sid);
    REQUIRE(fixture.truth("/sim/calls/" + placed.sid)["ended_by"] == "twiml");
  }
}

TEST_CASE("sim.call: when the server closes the stream its action decides how the call goes on") {
  MediaServer media([] {
    return [](const json& message, const MediaServer::Reply& reply) {
      if (message["event"] == "start") reply.close();
    };
  });
  Fixture fixture("");
  fixture.application.answer(
      "/ended", 200,
      "<Response><Redirect>" + fixture.application.url("/next") + "</Redirect></Response>");
  fixture.application.answer("/next", 200, "<Response><Hangup/></Response>");
  const auto placed = fixture.call(
      fixture.request("<Response><Connect action='" + fixture.application.url("/ended") +
                      "'><Stream url='" + media.url() + "'/></Connect></Response>"));
  REQUIRE(fixture.application.wait_for("/ended", 1)[0].get("StreamSid").starts_with("MZ"));
  fixture.application.wait_for("/next", 1);
  fixture.application.wait_for_end(placed.sid);
}

TEST_CASE("sim.call: a live call is taken out of its stream by a redirect") {
  auto stopped = std::make_shared<std::atomic<bool>>(false);
  MediaServer media([stopped] {
    return [stopped](const json& message, const MediaServer::Reply&) {
      if (message["event"] == "stop") *stopped = true;
    };
  });
  Fixture fixture("");
  auto request = fixture.request(connect_twiml("url='" + media.url() + "' statusCallback='" +
                                               fixture.application.url("/stream") + "'"));
  const auto placed = fixture.call(request);
  fixture.application.wait_for("/stream", 1);
  const carrier::UpdateCall redirect{carrier::UpdateCall::Action::redirect,
                                     "<Response><Say>Bye</Say><Hangup/></Response>"};
  REQUIRE(fixture.client().update_call(placed.sid, redirect, soon()).ok());
  fixture.application.wait_for_end(placed.sid);
  REQUIRE(*stopped);
}

TEST_CASE("sim.call: streams that Twilio would not open are refused, and the document goes on") {
  Fixture fixture("");
  for (const std::string url : {"wss://media.example.com/ws?agent=echo",
                                "ws://media.example.com/ws", "https://media.example.com/ws"}) {
    const auto placed =
        fixture.call(fixture.request(connect_twiml("url='" + url + "'", "<Hangup/>")));
    fixture.application.wait_for_end(placed.sid);
    const auto call = fixture.truth("/sim/calls/" + placed.sid);
    REQUIRE(has_warning(call, 31920));
    REQUIRE(call["streams"] == 0);
  }
  const auto nobody = fixture.call(fixture.request(connect_twiml("url='ws://127.0.0.1:1/ws'")));
  fixture.application.wait_for_end(nobody.sid);
  REQUIRE(has_warning(fixture.truth("/sim/calls/" + nobody.sid), 31902));
}

TEST_CASE("sim.call: invalid messages are noted once and do not end the call") {
  MediaServer media([] {
    auto frames = std::make_shared<int>(0);
    return [frames](const json& message, const MediaServer::Reply& reply) {
      if (message["event"] != "media") return;
      reply.connection.send_text("{\"event\":\"dance\"}");
      if (++*frames == 10) reply.close();
    };
  });
  Fixture fixture("");
  const auto placed = fixture.call(fixture.request(connect_twiml("url='" + media.url() + "'")));
  fixture.application.wait_for_end(placed.sid);
  const auto warnings = fixture.truth("/sim/calls/" + placed.sid)["warnings"];
  REQUIRE(std::count_if(warnings.begin(), warnings.end(),
                        [](const json& w) { return w["code"] == 31951; }) == 1);
}

TEST_CASE(
    "sim.call: a webhook that cannot be delivered is tried twice, noted, and holds nothing up") {
  Fixture fixture("");
  auto request = fixture.request("<Response><Hangup/></Response>");
  request.status_callback = "http://127.0.0.1:1/status";
  const auto placed = fixture.call(request);
  fixture.server->stop(soon());
  const auto report = json::parse(fixture.server->report_json());
  REQUIRE(report["webhooks_failed"].get<int>() >= 1);
  REQUIRE(report["warnings"].contains("11205"));
  REQUIRE(fixture.server->idle());
  REQUIRE(placed.kind == carrier::CreateOutcome::Kind::placed);
}

TEST_CASE(
    "sim.call: an overridden webhook is repeated after a server error, signed without the "
    "fragment") {
  Fixture fixture("");
  fixture.application.answer("/status", 503, "");
  auto request = fixture.request("<Response><Hangup/></Response>");
  request.events = {carrier::ProgressEvent::completed};
  request.status_callback += "#rc=2&rp=5xx";
  const auto placed = fixture.call(request);
  const auto hooks = fixture.application.wait_for("/status", 3);
  REQUIRE(hooks[0].params == hooks[2].params);
  REQUIRE(fixture.application.unsigned_requests() == 0);
  REQUIRE(placed.kind == carrier::CreateOutcome::Kind::placed);
}

TEST_CASE("sim.call: stopping hangs up what lives and tells the application") {
  Fixture fixture("");
  const auto placed = fixture.call(fixture.request("<Response><Pause length='600'/></Response>"));
  fixture.application.wait_for("/status", 3);
  fixture.server->stop(soon());
  REQUIRE(fixture.application.wait_for_end(placed.sid).get("CallStatus") == "completed");
}
