// The recognisers against servers that speak the real wires.
#include <nlohmann/json.hpp>

#include "core/audio/g711.hpp"
#include "core/audio/wav.hpp"
#include "core/provider/deepgram.hpp"
#include "core/provider/openai_speech.hpp"
#include "core/provider/vosk_server.hpp"
#include "world.hpp"

using namespace call;
using namespace call::provider;
using namespace call::provider::test;

namespace {

const audio::Pcm kSpeech(8 * 160, 4000);

std::unique_ptr<speech::Listener> make(const std::string& kind, World& world) {
  if (kind == "deepgram") {
    return std::make_unique<DeepgramListener>(
        *world.host, World::shared(world.endpoint(world.fake.ws() + "/v1/listen")),
        world.news.sink());
  }
  if (kind == "vosk") {
    return std::make_unique<VoskListener>(
        *world.host, World::shared(world.endpoint(world.fake.ws() + "/vosk")), world.news.sink());
  }
  return std::make_unique<OpenAiListener>(
      *world.host, World::shared(world.endpoint(world.fake.http() + "/v1")), world.news.sink());
}

std::size_t count(const std::vector<std::string>& messages, std::string_view part) {
  std::size_t found = 0;
  for (const auto& message : messages) found += message.find(part) != std::string::npos ? 1U : 0U;
  return found;
}

}  // namespace

TEST_CASE("provider.listener: an utterance goes out and its words come back, on every wire") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk", "openai");
  CAPTURE(kind);
  World world;
  world.fake.hear("yes please");
  world.fake.hear("no thanks");
  const auto listener = make(kind, world);
  for (std::uint32_t i = 1; i <= 2; ++i) {
    listener->begin(i);
    for (int n = 0; n < 5; ++n) listener->push(kSpeech);
    listener->flush(i);
    const auto heard = world.news.wait<speech::FinalText>(i);
    CHECK(heard.utterance == i);
    CHECK(heard.flush == i);
    CHECK(heard.text == (i == 1 ? "yes please" : "no thanks"));
  }
  CHECK(world.news.all<speech::ListeningFailed>().empty());
}

TEST_CASE("provider.listener: words in slices of one byte") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk", "openai");
  CAPTURE(kind);
  World world;
  world.fake.server().set_faults({1, std::nullopt, std::nullopt, 0ms});
  world.fake.hear("a longer answer with several words");
  const auto listener = make(kind, world);
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  CHECK(world.news.wait<speech::FinalText>().text == "a longer answer with several words");
}

TEST_CASE("provider.listener: a callee who goes on after a pause is understood as a whole") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk");
  CAPTURE(kind);
  World world;
  world.fake.hear("my number is");
  world.fake.hear("five five five");
  const auto listener = make(kind, world);
  listener->begin(7);
  listener->push(kSpeech);
  listener->flush(1);
  CHECK(world.news.wait<speech::FinalText>(1).text == "my number is");
  listener->push(kSpeech);
  listener->flush(2);
  const auto whole = world.news.wait<speech::FinalText>(2);
  CHECK(whole.flush == 2);
  CHECK(whole.text == "my number is five five five");
}

TEST_CASE("provider.listener: a lost connection is made again and the utterance's audio repeated") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk");
  CAPTURE(kind);
  World world;
  world.fake.hear("lost with the connection");
  world.fake.hear("heard again");
  const auto listener = make(kind, world);
  listener->begin(1);
  listener->push(kSpeech);
  world.news.wait<speech::PartialText>();
  const auto before = world.fake.audio_bytes();
  world.fake.server().cut_all();
  listener->push(kSpeech);
  listener->flush(1);
  CHECK(world.news.wait<speech::FinalText>().text == "heard again");
  CHECK(world.fake.audio_bytes() >= before + 2 * before);  // all of the utterance once more
}

TEST_CASE("provider.listener: words keep their place in the utterance, whatever the connection") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk");
  CAPTURE(kind);
  World world;
  world.fake.hear("an utterance before");
  world.fake.hear("one two");
  world.fake.hear("lost with the connection");
  world.fake.hear("three");
  const auto listener = make(kind, world);
  const auto second = [&](std::uint32_t flush) {  // a second of speech, understood
    for (int n = 0; n < 50; ++n) listener->push(audio::Pcm(160, 4000));
    listener->flush(flush);
    return world.news.wait<speech::FinalText>(flush);
  };
  listener->begin(1);
  second(1);
  listener->begin(2);
  const auto first = second(2);
  REQUIRE(first.words.size() == 2);
  CHECK(first.words[0].text == "one");
  CHECK(first.words[0].start.count() == 0);
  CHECK(first.words[1].start.count() == 500);
  CHECK(first.words[1].end.count() == 1000);
  // The next second goes half over this connection and is told again, as a whole, over the next one.
  const auto partials = world.news.all<speech::PartialText>().size();
  for (int n = 0; n < 25; ++n) listener->push(audio::Pcm(160, 4000));
  world.wait_for([&] { return world.news.all<speech::PartialText>().size() > partials; });
  world.fake.server().cut_all();
  for (int n = 0; n < 25; ++n) listener->push(audio::Pcm(160, 4000));
  listener->flush(3);
  const auto whole = world.news.wait<speech::FinalText>(3);
  CHECK(whole.text == "one two three");
  REQUIRE(whole.words.size() == 3);
  CHECK(whole.words[1].end.count() == 1000);
  CHECK(whole.words[2].text == "three");
  CHECK(whole.words[2].start.count() == 1000);
  CHECK(whole.words[2].end.count() == 2000);
}

TEST_CASE("provider.listener: speech that came before the connection is not lost") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk");
  CAPTURE(kind);
  World world;
  world.fake.refuse(503, 2);
  world.fake.hear("early words");
  const auto listener = make(kind, world);
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  CHECK(world.news.wait<speech::FinalText>().text == "early words");
}

TEST_CASE("provider.listener: a server that does not answer is given up in time") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk", "openai");
  CAPTURE(kind);
  World world;
  const std::string path = kind == "deepgram" ? "/v1/listen" : kind == "vosk" ? "/vosk" : "/v1";
  auto endpoint = world.endpoint((kind == "openai" ? world.fake.http() : world.fake.ws()) + path);
  endpoint.answer_timeout = 300ms;
  world.fake.server().set_faults({0, std::nullopt, 0, 0ms});  // half-open: not even the upgrade
  std::unique_ptr<speech::Listener> listener;
  if (kind == "deepgram") {
    listener =
        std::make_unique<DeepgramListener>(*world.host, World::shared(endpoint), world.news.sink());
  } else if (kind == "vosk") {
    listener =
        std::make_unique<VoskListener>(*world.host, World::shared(endpoint), world.news.sink());
  } else {
    listener =
        std::make_unique<OpenAiListener>(*world.host, World::shared(endpoint), world.news.sink());
  }
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  const auto failed = world.news.wait<speech::ListeningFailed>();
  CHECK(failed.utterance == 1);
  CHECK(failed.flush == 1);
}

TEST_CASE("provider.listener: a wrong key is told at once") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk", "openai");
  CAPTURE(kind);
  World world;
  world.fake.refuse(401, 100);
  const auto listener = make(kind, world);
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  CHECK(world.news.wait<speech::ListeningFailed>().error.code == Errc::permission);
}

TEST_CASE("provider.deepgram: without an answer to Finalize the words so far count") {
  World world;
  world.fake.unanswered_finalizes = 1;
  world.fake.hear("hello there");
  auto endpoint = world.endpoint(world.fake.ws() + "/v1/listen");
  endpoint.answer_timeout = 300ms;
  DeepgramListener listener(*world.host, World::shared(endpoint), world.news.sink());
  listener.begin(1);
  listener.push(kSpeech);
  world.news.wait<speech::PartialText>();
  listener.flush(1);
  CHECK(world.news.wait<speech::FinalText>().text == "hello");  // the interim result
}

TEST_CASE(
    "provider.deepgram: a Finalize without an answer holds up neither its turn nor later ones") {
  const std::string said = GENERATE(as<std::string>(), "hello there", "");  // or a cough
  CAPTURE(said);
  World world;
  world.fake.unanswered_finalizes = 1;
  world.fake.hear(said);
  auto endpoint = world.endpoint(world.fake.ws() + "/v1/listen");
  endpoint.answer_timeout = 100s;  // longer than the test waits
  DeepgramListener listener(*world.host, World::shared(endpoint), world.news.sink());
  listener.begin(1);
  listener.push(kSpeech);
  if (!said.empty()) world.news.wait<speech::PartialText>();
  world.wait_for([&] { return world.fake.audio_bytes() > 0; });
  listener.flush(1);
  CHECK(world.news.wait<speech::FinalText>().text == said.substr(0, said.find(' ')));
  world.fake.hear("second turn");
  listener.begin(2);
  listener.push(kSpeech);
  listener.flush(2);
  CHECK(world.news.wait<speech::FinalText>(2).text == "second turn");
}

TEST_CASE("provider.deepgram: the answer to a pause that nobody waits for is not the next one's") {
  World world;
  world.fake.set_timing({500ms, 0ms, 0ms, 0ms, 0ms});
  world.fake.hear("first turn");
  DeepgramListener listener(*world.host,
                            World::shared(world.endpoint(world.fake.ws() + "/v1/listen")),
                            world.news.sink());
  listener.begin(1);
  listener.push(kSpeech);
  listener.flush(1);
  world.wait_for([&] { return count(world.fake.messages(), "Finalize") == 1; });
  world.fake.hear("second turn");
  listener.begin(2);
  listener.push(kSpeech);
  listener.flush(2);
  const auto heard = world.news.wait<speech::FinalText>();
  CHECK(heard.utterance == 2);
  CHECK(heard.text == "second turn");
}

TEST_CASE("provider.openai_listener: a new utterance hangs up on the question about the old one") {
  World world;
  world.fake.set_timing({100s, 0ms, 0ms, 0ms, 0ms});
  const auto listener = make("openai", world);
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  world.wait_for([&] { return !world.fake.requests().empty(); });
  listener->begin(2);
  world.wait_for([&] { return world.fake.server().open() == 0; });
  CHECK(world.news.all<speech::FinalText>().empty());
  CHECK(world.news.all<speech::ListeningFailed>().empty());
}

TEST_CASE("provider.deepgram: the audio is the call's own mu-law, and silence is kept alive") {
  World world;
  world.fake.hear("one");
  DeepgramListener listener(*world.host,
                            World::shared(world.endpoint(world.fake.ws() + "/v1/listen")),
                            world.news.sink());
  audio::Mulaw mulaw;
  for (int i = 0; i < 256; ++i) {
    if (i != 0x7F) mulaw.push_back(static_cast<std::uint8_t>(i));  // 0x7F is the other zero
  }
  listener.begin(1);
  listener.push(audio::mulaw_decode(mulaw));
  listener.flush(1);
  world.news.wait<speech::FinalText>();
  CHECK(world.fake.audio() == std::string(mulaw.begin(), mulaw.end()));
  const auto requests = world.fake.requests();
  REQUIRE_FALSE(requests.empty());
  CHECK(requests[0].headers.at("authorization") == "Token key-1");
  for (const char* part :
       {"model=model-1", "encoding=mulaw", "sample_rate=8000", "interim_results=true"})
    CHECK(requests[0].target.find(part) != std::string::npos);
  world.wait_for([&] { return count(world.fake.messages(), "KeepAlive") > 0; });
}

TEST_CASE("provider.deepgram: settings of the file win over ours, lists repeat") {
  Endpoint endpoint;
  endpoint.url = *net::parse_url("wss://api.deepgram.com/v1/listen");
  endpoint.language = "de";
  endpoint.extra = {{"endpointing", "300"}, {"keyterm", "Müller & Co"}, {"keyterm", "calld"}};
  const auto query = deepgram_url(endpoint).query;
  CHECK(query.find("endpointing=300") != std::string::npos);
  CHECK(query.find("endpointing=false") == std::string::npos);
  CHECK(query.find("language=de") != std::string::npos);
  CHECK(query.find("keyterm=M%C3%BCller%20%26%20Co&keyterm=calld") != std::string::npos);
}

TEST_CASE(
    "provider.openai_listener: the utterance is a WAV file, and what the model takes for noise is "
    "left out") {
  World world;
  world.fake.hear("book a table");
  const auto listener = make("openai", world);
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  CHECK(world.news.wait<speech::FinalText>().text == "book a table");  // not "Thanks for watching!"
  const auto requests = world.fake.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].path() == "/v1/audio/transcriptions");
  const auto begin = requests[0].body.find("RIFF");
  REQUIRE(begin != std::string::npos);
  const auto wav = audio::parse_wav(
      requests[0].body.substr(begin, requests[0].body.rfind("\r\n--calld-") - begin));
  REQUIRE(wav);
  CHECK(wav->samples == kSpeech);
  listener->begin(2);
  listener->flush(2);  // nothing was said: nothing is asked
  CHECK(world.news.wait<speech::FinalText>(2).text.empty());
  CHECK(world.fake.requests().size() == 1);
}

TEST_CASE("provider.listener: predecessor B11.29 a server's close with 1000 is no failure") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk");
  CAPTURE(kind);
  World world;
  world.fake.closes_politely = true;
  const auto listener = make(kind, world);
  constexpr std::uint32_t kMoreThanTheBreakerBears = 7;
  for (std::uint32_t i = 1; i <= kMoreThanTheBreakerBears; ++i) {
    world.fake.hear("words " + std::to_string(i));
    listener->begin(i);
    listener->push(kSpeech);
    listener->flush(i);
    CHECK(world.news.wait<speech::FinalText>(i).text == "words " + std::to_string(i));
    world.wait_for([&] { return world.fake.server().open() == 0; });
  }
  CHECK(world.news.all<speech::ListeningFailed>().empty());
}

TEST_CASE("provider.vosk: what was said behind a pause that is answered late is not lost") {
  World world;
  world.fake.hear("my number is");
  world.fake.hear("lost with the connection");
  world.fake.hear("five");
  const auto listener = make("vosk", world);
  world.fake.set_timing({500ms, 0ms, 0ms, 0ms, 0ms});
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  world.wait_for([&] { return count(world.fake.messages(), "reset") == 1; });
  world.fake.set_timing({100s, 0ms, 0ms, 0ms, 0ms});
  listener->push(kSpeech);
  listener->flush(2);
  world.news.wait<speech::PartialText>(2);  // behind the answer to the first pause
  world.fake.set_timing({});
  world.fake.server().cut_all();
  const auto heard = world.news.wait<speech::FinalText>();
  CHECK(heard.flush == 2);
  CHECK(heard.text == "my number is five");
}

TEST_CASE("provider.vosk: words of the utterance before are never the answer to this one") {
  World world;
  auto endpoint = world.endpoint(world.fake.ws() + "/vosk");
  endpoint.answer_timeout = 200ms;
  VoskListener listener(*world.host, World::shared(endpoint), world.news.sink());
  world.fake.hear("yes");
  listener.begin(1);
  listener.push(kSpeech);
  listener.flush(1);
  CHECK(world.news.wait<speech::FinalText>().text == "yes");
  world.fake.set_timing({10s, 0ms, 0ms, 0ms, 0ms});
  listener.begin(2);
  listener.flush(2);
  CHECK(world.news.wait<speech::ListeningFailed>().utterance == 2);
  CHECK(world.news.all<speech::FinalText>().size() == 1);
}

TEST_CASE("provider.listener: a service that is too busy is told, and asked again later") {
  const auto kind = GENERATE(as<std::string>(), "deepgram", "vosk", "openai");
  CAPTURE(kind);
  World world;
  world.fake.refuse(429, 1, "Retry-After: 1\r\n");
  world.fake.hear("now it works");
  const auto listener = make(kind, world);
  listener->begin(1);
  listener->push(kSpeech);
  listener->flush(1);
  if (kind == "openai") {  // one request a pause: the next one is another
    CHECK(world.news.wait<speech::ListeningFailed>().error.code == Errc::unavailable);
    listener->flush(2);
  }
  CHECK(world.news.wait<speech::FinalText>().text == "now it works");
}

TEST_CASE("provider.deepgram: an error in the middle of the stream is the reason that is told") {
  CHECK(parse_deepgram(R"({"type":"Error","description":"no credit left"})")->error ==
        "no credit left");
  CHECK_FALSE(parse_deepgram(R"({"type":"Metadata"})")->is_result);
}
