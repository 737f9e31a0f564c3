// An open conversation through the whole server: a media stream on one side, engines on the real wire
// on the other.
#include <catch2/catch.hpp>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/audio/g711.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/crypto/base64.hpp"
#include "core/flow/replay.hpp"
#include "core/flow/service.hpp"
#include "core/net/ws_client.hpp"
#include "core/record/folder.hpp"
#include "core/record/tape.hpp"
#include "core/runtime/loop.hpp"
#include "core/speech/synthesizer.hpp"
#include "tests/support/fakes/providers.hpp"

using namespace call;
using namespace call::flow;
namespace fs = std::filesystem;
using std::chrono::seconds;

namespace {

/// A carrier that has played everything the moment it arrives.
struct Carrier {
  std::mutex mutex;
  std::condition_variable changed;
  std::string heard;  ///< mu-law
  std::optional<net::WsClose> close;
  bool open = false;

  template <class Done>
  bool wait(Done done) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, seconds(30), [&] { return done(*this); });
  }
};

class Stream final : public net::WsHandler {
 public:
  explicit Stream(std::shared_ptr<Carrier> carrier) : carrier_(std::move(carrier)) {}
  void on_open(net::WsConnection& connection) override {
    connection_ = &connection;
    tell([](Carrier& c) { c.open = true; });
  }
  void on_text(std::string_view text) override {
    const auto message = nlohmann::json::parse(text);
    if (message.at("event") == "media") {
      const auto audio =
          crypto::base64_decode(message.at("media").at("payload").get<std::string>());
      tell([&](Carrier& c) { c.heard += *audio; });
    } else if (message.at("event") == "mark") {
      connection_->send_text(text);
    }
  }
  void on_binary(std::string_view) override {}
  void on_close(const net::WsClose& close) override {
    tell([&](Carrier& c) { c.close = close; });
  }

 private:
  template <class F>
  void tell(F f) {
    std::lock_guard lock(carrier_->mutex);
    f(*carrier_);
    carrier_->changed.notify_all();
  }
  std::shared_ptr<Carrier> carrier_;
  net::WsConnection* connection_ = nullptr;
};

audio::Mulaw spoken(const char* words) {
  const auto pcm = speech::Synthesizer().render(words);
  REQUIRE(pcm);
  auto mulaw = audio::mulaw_encode(*pcm);
  mulaw.resize((mulaw.size() / 160 + 1) * 160, audio::kMulawSilence);
  return mulaw;
}

struct World {
  enum Engines { three, one };
  /// `tables`: more of the agent's file.
  explicit World(const std::string& tables = {}, Engines engines = three) {
    fs::create_directories(dir / "agents");
    const auto agent = R"(
prompt = "You are Anna. The caller is {name|unknown}."
greeting = "Hello there."
builtin_tools = ["hang_up", "collect_dtmf"]
[conversation]
speculative = false
filler_after_ms = 60000   # however slow this machine is
)" + (engines == three ? three_engines() : one_engine()) +
                       R"([tools.weather]
url = ")" + fake.http() +
                       R"(/tools/weather"
)" + tables;
    REQUIRE(write_file_atomic(dir / "agents" / "anna.toml", agent));
    ServiceOptions options;
    options.server.listen = {"127.0.0.1", 0};
    options.server.spool.dir = dir / "spool";
    options.server.spool.tape_calls = true;
    options.catalog.agents_dir = dir / "agents";
    auto started = Service::start(std::move(options), {}, registry);
    if (!started) FAIL(started.error().to_string());
    service = std::move(*started);
    const auto url =
        net::parse_url("ws://127.0.0.1:" + std::to_string(service->port()) + "/ws/twilio-media");
    handle = net::ws_connect(loop, *url, {}, std::make_unique<Stream>(carrier));
    REQUIRE(carrier->wait([](const Carrier& c) { return c.open; }));
    send(R"({"event":"connected","protocol":"Call","version":"1.0.0"})");
    send(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","customParameters":)"
         R"({"agent":"anna","name":"דנה"}}})");
  }
  ~World() {
    service.reset();
    fs::remove_all(dir);
  }
  std::string three_engines() const {
    return R"([listener]
provider = "deepgram"
url = ")" + fake.ws() +
           R"(/v1/listen"
[model]
provider = "openai"
url = ")" + fake.http() +
           R"(/v1"
model = "m"
[voice]
provider = "elevenlabs"
url = ")" + fake.ws() +
           R"("
voice = "v"
)";
  }
  std::string one_engine() {
    fake.set_realtime({{}, [this](fakes::Connection& connection, const std::string& text) {
                         answer_realtime(connection, nlohmann::json::parse(text));
                       }});
    return "[realtime]\nprovider = \"openai\"\nurl = \"" + fake.ws() + "/v1/realtime\"\n";
  }
  /// As OpenAI's: the answers in `answers`, one for each response.create; audio as the other fakes'.
  void answer_realtime(fakes::Connection& connection, const nlohmann::json& message) {
    const auto type = message.at("type").get<std::string>();
    if (type == "session.update") connection.text(R"({"type":"session.updated"})");
    if (type == "input_audio_buffer.commit") {
      connection.text(
          R"({"type":"conversation.item.input_audio_transcription.completed","transcript":"i have a code"})");
    }
    if (type != "response.create" || answers.empty()) return;
    const auto answer = answers.front();
    answers.pop_front();
    const auto audio = fakes::mulaw_of(answer.text);
    connection.text(nlohmann::json{
        {"type", "response.output_audio_transcript.delta"},
        {"item_id", "i1"},
        {"delta",
         answer.text}}.dump());
    connection.text(nlohmann::json{{"type", "response.output_audio.delta"},
                                   {"item_id", "i1"},
                                   {"delta", crypto::base64_encode(audio)}}
                        .dump());
    if (!answer.call.empty()) {
      connection.text(nlohmann::json{{"type", "response.function_call_arguments.done"},
                                     {"call_id", "c-" + answer.call},
                                     {"name", answer.call},
                                     {"arguments", R"({"digits":4})"}}
                          .dump());
    }
    connection.text(R"({"type":"response.done","response":{"status":"completed"}})");
  }
  void send(std::string text) {
    handle.post([text = std::move(text)](net::WsConnection& c) { c.send_text(text); });
  }
  void frames(audio::MulawView mulaw) {
    for (std::size_t at = 0; at + 160 <= mulaw.size(); at += 160) {
      const std::string payload(mulaw.begin() + static_cast<std::ptrdiff_t>(at),
                                mulaw.begin() + static_cast<std::ptrdiff_t>(at + 160));
      send(R"({"event":"media","streamSid":"MZ1","media":{"track":"inbound","payload":")" +
           crypto::base64_encode(payload) + "\"}}");
    }
  }
  void says(const std::string& understood) {
    fake.hear(understood);
    const audio::Mulaw silence(8000, audio::kMulawSilence);
    frames(silence);
    frames(spoken("yes I would like to know more about it"));
    frames(silence);
  }
  /// The call is over: its tape is played again, with no engine, and decides the same.
  void check_replay() const {
    const auto tape = read_file(dir / "spool" / "CA1" / record::kTapeFile, 64U << 20);
    REQUIRE(tape);
    const auto replayed = replay(*tape);
    REQUIRE(replayed);
    if (const auto& d = replayed->handler_difference) {
      FAIL(d->input << "\ntape: " << d->on_tape << "\nnow:  " << d->now);
    }
    CHECK(replayed->identical());
    CHECK(replayed->handler_complete);
    CHECK(replayed->handler_decisions > 10);
  }
  bool hears(std::size_t letters) {
    return carrier->wait(
        [&](const Carrier& c) { return c.heard.size() >= letters * fakes::kMsPerChar * 8; });
  }

  const fs::path dir = fs::temp_directory_path() / ("open-" + random_hex(6));
  struct Answer {
    std::string text;
    std::string call;  ///< of a tool, behind it
  };
  std::deque<Answer> answers = {
      {"Hello there.", ""}, {"Key it in.", "collect_dtmf"}, {"Thank you. Good bye.", "hang_up"}};
  fakes::Providers fake;
  metrics::Registry registry;
  runtime::Loop loop{"carrier"};
  std::shared_ptr<Carrier> carrier = std::make_shared<Carrier>();
  net::WsHandle handle;
  std::unique_ptr<Service> service;
};

}  // namespace

TEST_CASE("flow.open_service: a conversation with a tool, from the greeting to the record") {
  World world;
  world.fake.set_tool([](const fakes::Request&) {
    fakes::ChatAnswer answer;
    answer.raw = R"({"sky":"blue"})";
    return answer;
  });
  const std::string greeting = "Hello there. ";
  REQUIRE(world.hears(greeting.size()));

  fakes::ChatAnswer ask;
  ask.pieces = {"Let me ", "see."};
  ask.calls = {{"c1", "weather", {R"({"town":)", R"("Ulm"})"}}};
  world.fake.answer(ask);
  fakes::ChatAnswer tell;
  tell.pieces = {"The sky is ", "blue."};
  world.fake.answer(tell);
  world.says("how is the weather in ulm");
  const std::string reply = "Let me see. The sky is blue. ";
  REQUIRE(world.hears(greeting.size() + reply.size()));

  fakes::ChatAnswer bye;
  bye.pieces = {"Good bye."};
  bye.calls = {{"c2", "hang_up", {"{}"}}};
  world.fake.answer(bye);
  world.says("thank you bye");
  REQUIRE(world.carrier->wait([](const Carrier& c) { return c.close.has_value(); }));
  CHECK(world.carrier->close->code == 1000);
  REQUIRE(world.service->drain(Deadline::after(seconds(10))));

  const auto record = record::read_folder(world.dir / "spool" / "CA1");
  REQUIRE(record);
  CHECK(record->outcome == "completed");
  CHECK(record->end_reason == "completed");
  std::vector<std::string> said;
  for (const auto& turn : record->turns)
    said.push_back(turn.who == record::Speaker::agent ? turn.heard_text : turn.text);
  world.check_replay();
  const auto& question = record->turns.at(1);
  REQUIRE(question.words.size() == 6);
  CHECK(question.words.front().text == "how");
  CHECK(question.words.front().start_ms >= question.start_ms - 400);
  CHECK(question.words.back().end_ms <= question.end_ms + 1000);
  const auto& fall = record->waterfalls.at(0);
  REQUIRE(fall.first_token_ms);
  CHECK(*fall.final_transcript_ms <= *fall.first_token_ms);
  CHECK(*fall.first_token_ms <= *fall.reply_ready_ms);
  CHECK(said == std::vector<std::string>{"Hello there.", "how is the weather in ulm",
                                         "Let me see. The sky is blue.", "thank you bye",
                                         "Good bye."});
  // The prompt has the name in its own script; the last request has the whole story.
  const auto requests = world.fake.requests();
  nlohmann::json last, tool;
  for (const auto& request : requests) {
    if (request.path() == "/tools/weather") tool = nlohmann::json::parse(request.body);
    if (request.path().ends_with("/chat/completions")) last = nlohmann::json::parse(request.body);
  }
  CHECK(tool.at("arguments").at("town") == "Ulm");
  CHECK(tool.at("call_sid") == "CA1");
  CHECK(last.at("messages")[0].at("content") == "You are Anna. The caller is דנה.");
  CHECK(last.at("messages").size() == 7);
  CHECK(last.at("messages")[4].at("content") == R"({"sky":"blue"})");
}

TEST_CASE("flow.open_service: one engine for all, with keys, from the greeting to the record") {
  World world({}, World::one);
  const std::string greeting = "Hello there.";
  REQUIRE(world.hears(greeting.size()));
  world.says("");
  const auto question = greeting + "Key it in.";
  REQUIRE(world.hears(question.size()));
  for (const char key : std::string("12#")) {
    world.send(R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":")" + std::string(1, key) +
               "\"}}");
  }
  REQUIRE(world.carrier->wait([](const Carrier& c) { return c.close.has_value(); }));
  CHECK(world.hears(question.size() + std::string("Thank you. Good bye.").size()));
  REQUIRE(world.service->drain(Deadline::after(seconds(10))));
  const auto record = record::read_folder(world.dir / "spool" / "CA1");
  REQUIRE(record);
  CHECK(record->end_reason == "completed");
  std::vector<std::string> said;
  for (const auto& turn : record->turns)
    said.push_back(turn.who == record::Speaker::agent ? turn.heard_text : turn.text);
  CHECK(said == std::vector<std::string>{greeting, "i have a code", "Key it in.", "1", "2", "#",
                                         "Thank you. Good bye."});
  nlohmann::json result;
  for (const auto& text : world.fake.messages()) {
    const auto message = nlohmann::json::parse(text);
    if (message.value("type", "") == "conversation.item.create") result = message.at("item");
  }
  CHECK(result.at("call_id") == "c-hang_up");
  REQUIRE_FALSE(record->waterfalls.empty());
  CHECK(record->waterfalls[0].first_token_ms);
  world.check_replay();
}

TEST_CASE("flow.open_service: a machine is told from a callee as the agent's file says") {
  World world("[voicemail]\nlong_greeting_ms = 1500\nfarewell = \"Sorry to disturb.\"\n");
  const std::string greeting = "Hello there. ";
  REQUIRE(world.hears(greeting.size()));
  world.says("you have reached the voice mail of");
  REQUIRE(world.carrier->wait([](const Carrier& c) { return c.close.has_value(); }));
  REQUIRE(world.service->drain(Deadline::after(seconds(10))));
  const auto record = record::read_folder(world.dir / "spool" / "CA1");
  REQUIRE(record);
  CHECK(record->outcome == "machine");
  world.check_replay();
  CHECK(record->end_reason == "machine");
  const auto& last = record->turns.back();
  CHECK((last.who == record::Speaker::callee || last.heard_text == "Sorry to disturb."));
  for (const auto& request : world.fake.requests())
    CHECK_FALSE(request.path().ends_with("/chat/completions"));
}

TEST_CASE("flow.open_service: with every engine gone the caller still hears why the call ends") {
  World world;
  REQUIRE(world.hears(std::string("Hello there. ").size()));
  world.fake.refuse(401, 100000);
  world.fake.server().cut_all();
  const auto heard = [&] {
    std::lock_guard lock(world.carrier->mutex);
    return world.carrier->heard.size();
  };
  for (int i = 0; i < 2; ++i) {
    const auto before = heard();
    world.says("is anybody there");
    REQUIRE(world.carrier->wait([&](const Carrier& c) { return c.heard.size() > before + 4000; }));
  }
  REQUIRE(world.carrier->wait([](const Carrier& c) { return c.close.has_value(); }));
  REQUIRE(world.service->drain(Deadline::after(seconds(10))));
  const auto record = record::read_folder(world.dir / "spool" / "CA1");
  REQUIRE(record);
  CHECK(record->outcome == "failed");
  world.check_replay();
  CHECK(record->end_reason == "engine_failed");
  CHECK(record->turns.back().heard_text.starts_with("I am sorry, we have a technical problem."));
}
