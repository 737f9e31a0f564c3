// Every engine of the network with every fault of its service: whatever goes wrong on the wire, each
// request ends in an answer or in a failure that is told, once; the next one works when the service
// does; and an engine that goes takes its connections with it.
#include <array>

#include "core/audio/g711.hpp"
#include "core/provider/deepgram.hpp"
#include "core/provider/elevenlabs.hpp"
#include "core/provider/openai_chat.hpp"
#include "core/provider/openai_realtime.hpp"
#include "core/provider/openai_speech.hpp"
#include "core/provider/vosk_server.hpp"
#include "world.hpp"

using namespace call;
using namespace call::provider;
using namespace call::provider::test;
using std::chrono::milliseconds;

namespace {

constexpr std::array kProviders = {"deepgram",   "vosk",   "transcription", "chat",
                                   "elevenlabs", "speech", "realtime"};
/// Longer than the tests wait: what is told in time was told without it.
constexpr milliseconds kNever{100000};

/// An engine of any kind, asked for one thing after the other.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual void ask(std::uint32_t number) = 0;
};

class Ears final : public Engine {
 public:
  explicit Ears(std::unique_ptr<speech::Listener> listener) : listener_(std::move(listener)) {}
  void ask(std::uint32_t number) override {
    listener_->begin(number);
    // So long that a service cannot have had nothing to say.
    for (int i = 0; i < 25; ++i) listener_->push(audio::Pcm(1280, 4000));
    listener_->flush(number);
  }

 private:
  const std::unique_ptr<speech::Listener> listener_;
};

class Brain final : public Engine {
 public:
  explicit Brain(std::unique_ptr<speech::ChatModel> model) : model_(std::move(model)) {}
  void ask(std::uint32_t number) override {
    speech::ChatRequest request;
    request.id = number;
    request.messages = {{speech::ChatMessage::Role::user, "Hello?", {}, {}}};
    model_->ask(request);
  }

 private:
  const std::unique_ptr<speech::ChatModel> model_;
};

class Voice final : public Engine {
 public:
  explicit Voice(std::unique_ptr<speech::Speaker> speaker) : speaker_(std::move(speaker)) {}
  void ask(std::uint32_t number) override {
    speaker_->begin(number);
    speaker_->add("Hello all.");
    speaker_->end();
  }

 private:
  const std::unique_ptr<speech::Speaker> speaker_;
};

class Whole final : public Engine {
 public:
  explicit Whole(std::unique_ptr<speech::Converser> engine) : engine_(std::move(engine)) {}
  void ask(std::uint32_t number) override {
    engine_->begin();
    engine_->push(audio::Mulaw(8000, 0x20));
    engine_->commit();
    engine_->respond(number, {});
  }

 private:
  const std::unique_ptr<speech::Converser> engine_;
};

struct Matrix : World {
  explicit Matrix(std::string p) : provider(std::move(p)) {
    fake.hear_default = [](int, int) { return "yes please"; };
    fake.chat_default = [](const std::string&) {
      fakes::ChatAnswer answer;
      answer.pieces = {"Good ", "morning."};
      return answer;
    };
  }

  void make(milliseconds patience) {
    const bool http = provider == "transcription" || provider == "chat" || provider == "speech";
    auto e = endpoint((http ? fake.http() : fake.ws()) + (http                     ? "/v1"
                                                          : provider == "deepgram" ? "/v1/listen"
                                                          : provider == "vosk"     ? "/vosk"
                                                          : provider == "realtime" ? "/v1/realtime"
                                                                                   : ""));
    e.connect_timeout = e.answer_timeout = e.silence_timeout = patience;
    const auto point = shared(std::move(e));
    if (provider == "deepgram")
      engine = ears<DeepgramListener>(point);
    else if (provider == "vosk")
      engine = ears<VoskListener>(point);
    else if (provider == "transcription")
      engine = ears<OpenAiListener>(point);
    else if (provider == "chat")
      engine = std::make_unique<Brain>(std::make_unique<OpenAiChat>(*host, point, news.sink()));
    else if (provider == "elevenlabs")
      engine =
          std::make_unique<Voice>(std::make_unique<ElevenLabsVoice>(*host, point, news.sink()));
    else if (provider == "speech")
      engine = std::make_unique<Voice>(std::make_unique<OpenAiVoice>(*host, point, news.sink()));
    else
      engine = std::make_unique<Whole>(std::make_unique<OpenAiRealtime>(
          *host, point, RealtimeDialect::current, RealtimeSetup{}, news.sink()));
  }
  template <class Listener>
  std::unique_ptr<Engine> ears(const std::shared_ptr<const Endpoint>& point) {
    return std::make_unique<Ears>(std::make_unique<Listener>(*host, point, news.sink()));
  }

  std::shared_ptr<Breaker> breaker() {
    const bool listens =
        provider == "deepgram" || provider == "vosk" || provider == "transcription";
    const bool http = provider == "transcription" || provider == "chat" || provider == "speech";
    const std::string kind = listens                                            ? "listen "
                             : provider == "elevenlabs" || provider == "speech" ? "speak "
                                                                                : provider + " ";
    return host->breaker(kind + (http ? fake.http() : fake.ws()));
  }

  std::size_t answers() const {
    if (provider == "realtime" || provider == "chat") return news.all<speech::ReplyDone>().size();
    return news.all<speech::FinalText>().size() + news.all<speech::SpeakingDone>().size();
  }
  std::vector<Error> failures() const {
    std::vector<Error> all;
    for (const auto& e : news.all<speech::ListeningFailed>()) all.push_back(e.error);
    for (const auto& e : news.all<speech::ReplyFailed>()) all.push_back(e.error);
    for (const auto& e : news.all<speech::SpeakingFailed>()) all.push_back(e.error);
    return all;
  }
  /// True for an answer, false for a failure; it has to be one of them.
  bool ask() {
    const auto before = answers();
    engine->ask(++asked);
    wait_for([&] { return answers() + failures().size() >= asked; });
    return answers() > before;
  }

  const std::string provider;
  std::unique_ptr<Engine> engine;
  std::uint32_t asked = 0;
};

struct Fault {
  const char* name;
  fakes::Faults wire;
  /// What comes of it everywhere; else either, for some know enough by then or try once more.
  std::optional<bool> answered = std::nullopt;
};

const std::vector<Fault> kFaults = {
    {"slow", {0, std::nullopt, std::nullopt, 150ms}, true},
    {"split at every byte", {1, std::nullopt, std::nullopt, 0ms}, true},
    {"mute behind the upgrade or the head", {0, std::nullopt, std::nullopt, 0ms, true}, false},
    {"mute before it", {0, std::nullopt, 0, 0ms}, false},
    {"closes at once", {0, 0, std::nullopt, 0ms}, false},
    {"closes behind the upgrade", {0, 140, std::nullopt, 0ms}, false},
    {"closes in the middle", {0, 260, std::nullopt, 0ms}},
    {"an error in the middle", {}},
    {"too busy", {}, false}};

}  // namespace

TEST_CASE("provider.matrix: whatever goes wrong is told, and over when the service works again") {
  const std::string provider = GENERATE(from_range(kProviders));
  const auto fault = GENERATE(from_range(kFaults));
  const std::string name = fault.name;
  CAPTURE(provider, name);
  Matrix world(provider);
  world.fake.server().set_faults(fault.wire);
  world.fake.breaks_midway = name == "an error in the middle";
  if (name == "too busy") world.fake.refuse(429, 1000);
  world.make(fault.answered.value_or(false) ? 5000ms : 300ms);
  const bool answered = world.ask();
  if (fault.answered) CHECK(answered == *fault.answered);
  world.fake.server().set_faults({});
  world.fake.breaks_midway = false;
  world.fake.refuse(0, 0);
  world.fake.server().cut_all();  // what is still open has the faults it was made with
  bool works = false;
  for (int i = 0; i < 200 && !works; ++i) works = world.ask();
  CHECK(works);
  CHECK(world.answers() + world.failures().size() == world.asked);
}

TEST_CASE("provider.matrix: a key that was refused before the first question is told at once") {
  const std::string provider = GENERATE(from_range(kProviders));
  CAPTURE(provider);
  Matrix world(provider);
  world.fake.refuse(401, 1000);
  world.make(kNever);
  const bool connects = provider == "deepgram" || provider == "vosk" || provider == "realtime";
  if (connects) {
    world.wait_for(
        [&] { return !world.fake.requests().empty() && world.fake.server().open() == 0; });
  }
  for (int i = 0; i < 2; ++i) CHECK_FALSE(world.ask());
  for (const auto& error : world.failures()) CHECK(error.code == Errc::permission);
}

TEST_CASE("provider.matrix: a service that has failed too often is not waited for") {
  const std::string provider = GENERATE(from_range(kProviders));
  CAPTURE(provider);
  Matrix world(provider);
  for (int i = 0; i < BreakerOptions{}.failures; ++i) world.breaker()->failed();
  world.make(kNever);
  CHECK_FALSE(world.ask());
  CHECK(world.failures().at(0).code == Errc::unavailable);
  CHECK(world.fake.server().accepted() == 0);
}

TEST_CASE(
    "provider.matrix: a service that takes the connection and then says nothing is left alone") {
  const std::string provider = GENERATE(from_range(kProviders));
  CAPTURE(provider);
  Matrix world(provider);
  world.fake.server().set_faults({0, std::nullopt, std::nullopt, 0ms, true});
  world.make(100ms);
  bool refused = false;
  for (int i = 0; i < 500 && !refused; ++i) {
    CHECK_FALSE(world.ask());
    refused = !world.breaker()->admit();
  }
  CHECK(refused);
}

TEST_CASE("provider.matrix: an engine that goes takes its connections with it, and tells no more") {
  const std::string provider = GENERATE(from_range(kProviders));
  const bool mute = GENERATE(true, false);
  CAPTURE(provider, mute);
  Matrix world(provider);
  world.fake.server().set_faults(mute ? fakes::Faults{0, std::nullopt, std::nullopt, 0ms, true}
                                      : fakes::Faults{0, std::nullopt, std::nullopt, kNever});
  world.make(kNever);
  world.engine->ask(1);
  world.wait_for([&] { return !world.fake.requests().empty(); });
  world.engine.reset();
  world.wait_for([&] { return world.fake.server().open() == 0; });
  CHECK(world.answers() + world.failures().size() == 0);
}
