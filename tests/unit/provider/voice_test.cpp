// The voices against servers that speak the real wires.
#include <nlohmann/json.hpp>

#include "core/provider/elevenlabs.hpp"
#include "core/provider/openai_speech.hpp"
#include "world.hpp"

using namespace call;
using namespace call::provider;
using namespace call::provider::test;

namespace {

struct Voices : World {
  std::unique_ptr<speech::Speaker> make(const std::string& kind) {
    if (kind == "elevenlabs")
      return std::make_unique<ElevenLabsVoice>(*host, shared(endpoint(fake.ws())), news.sink());
    return std::make_unique<OpenAiVoice>(*host, shared(endpoint(fake.http() + "/v1")), news.sink());
  }
  audio::Mulaw audio(speech::RequestId id) const {
    audio::Mulaw all;
    for (const auto& piece : news.all<speech::SpokenAudio>()) {
      if (piece.utterance == id) all.insert(all.end(), piece.mulaw.begin(), piece.mulaw.end());
    }
    return all;
  }
  std::vector<speech::TextMark> marks(speech::RequestId id) const {
    std::vector<speech::TextMark> all;
    for (const auto& piece : news.all<speech::SpokenAudio>()) {
      if (piece.utterance == id) all.insert(all.end(), piece.marks.begin(), piece.marks.end());
    }
    return all;
  }
};

const std::string kFirst = "Good morning. ";
const std::string kSecond = "How can I help you today? ";

}  // namespace

TEST_CASE(
    "provider.voice: sentences come as audio in their order, with marks to the end of the text") {
  const auto kind = GENERATE(as<std::string>(), "elevenlabs", "openai");
  const std::size_t slice = GENERATE(0U, 1U, 7U);
  CAPTURE(kind, slice);
  Voices world;
  world.fake.server().set_faults(
      {slice == 1 && kind == "openai" ? 333 : slice, std::nullopt, std::nullopt, 0ms});
  const auto voice = world.make(kind);
  voice->begin(1);
  voice->add(kFirst);
  voice->add(kSecond);
  voice->end();
  world.news.wait<speech::SpeakingDone>();
  const auto marks = world.marks(1);
  REQUIRE_FALSE(marks.empty());
  CHECK(marks.back().chars == kFirst.size() + kSecond.size());
  const auto ms = static_cast<std::int64_t>(world.audio(1).size() / 8);
  const auto expected =
      static_cast<std::int64_t>((kFirst.size() + kSecond.size()) * fakes::kMsPerChar);
  CHECK(ms >= expected - 50);
  CHECK(ms <= expected + 50);
  CHECK(marks.back().ms <= ms);
  for (std::size_t i = 1; i < marks.size(); ++i) {
    CHECK(marks[i].ms >= marks[i - 1].ms);
    CHECK(marks[i].chars >= marks[i - 1].chars);
  }
}

TEST_CASE("provider.elevenlabs: mu-law passes untouched, and the marks follow the words") {
  Voices world;
  const auto voice = world.make("elevenlabs");
  voice->begin(1);
  voice->add(kFirst);
  voice->end();
  world.news.wait<speech::SpeakingDone>();
  CHECK(world.audio(1) == audio::Mulaw(kFirst.size() * fakes::kMsPerChar * 8, 0x20));
  bool word = false;
  for (const auto& mark : world.marks(1)) {
    word = word || (mark.chars == 5 && mark.ms == 5 * fakes::kMsPerChar) ||
           (mark.chars == 4 && mark.ms == 4 * fakes::kMsPerChar);
  }
  CHECK(word);
  const auto requests = world.fake.requests();
  CHECK(requests.at(0).path() == "/v1/text-to-speech/voice-1/stream-input");
  CHECK(requests.at(0).headers.at("xi-api-key") == "key-1");
  CHECK(requests.at(0).target.find("output_format=ulaw_8000") != std::string::npos);
  CHECK(nlohmann::json::parse(world.fake.messages().at(0)).at("text") == " ");
}

TEST_CASE("provider.voice: a cancel closes the connection and nothing more is told") {
  const auto kind = GENERATE(as<std::string>(), "elevenlabs", "openai");
  CAPTURE(kind);
  Voices world;
  world.fake.set_timing({0ms, 0ms, 0ms, 0ms, 200ms});
  const auto voice = world.make(kind);
  voice->begin(1);
  voice->add(std::string(200, 'a') + ". ");
  world.news.wait<speech::SpokenAudio>();
  voice->cancel();
  world.wait_for([&] { return world.fake.server().open() == 0; });
  CHECK(world.news.all<speech::SpeakingDone>().empty());
  CHECK(world.news.all<speech::SpeakingFailed>().empty());
}

TEST_CASE(
    "provider.elevenlabs: a connection lost in the middle is made again for the rest of the text") {
  Voices world;
  world.fake.server().set_faults({0, 9000, std::nullopt, 200ms});
  const auto voice = world.make("elevenlabs");
  voice->begin(1);
  voice->add(kFirst + kSecond);
  voice->end();
  // The first connection keeps its faults; the second one must have none when it comes.
  world.wait_for([&] { return world.fake.server().accepted() >= 1; });
  world.fake.server().set_faults({});
  world.wait_for([&] {
    return !world.news.all<speech::SpeakingDone>().empty() ||
           !world.news.all<speech::SpeakingFailed>().empty();
  });
  REQUIRE(world.news.all<speech::SpeakingFailed>().empty());
  const auto expected = (kFirst.size() + kSecond.size()) * fakes::kMsPerChar;
  // Nothing of the text is missing; a word at the break may be said twice.
  CHECK(world.audio(1).size() / 8 + 10 >= expected - fakes::kMsPerChar);
  CHECK(world.marks(1).back().chars == kFirst.size() + kSecond.size());
}

TEST_CASE("provider.elevenlabs: a connection closed between two sentences costs nothing") {
  Voices world;
  const auto voice = world.make("elevenlabs");
  voice->begin(1);
  std::size_t chars = 0;
  for (int i = 0; i < 4; ++i) {
    voice->add(kFirst);
    chars += kFirst.size();
    world.wait_for([&] { return world.audio(1).size() == chars * fakes::kMsPerChar * 8; });
    world.fake.server().cut_all();
    world.wait_for([&] { return world.fake.server().open() == 0; });
  }
  voice->end();
  world.news.wait<speech::SpeakingDone>();
  CHECK(world.news.all<speech::SpeakingFailed>().empty());
  CHECK(world.marks(1).back().chars == chars);
}

TEST_CASE("provider.voice: a server that refuses, or says nothing, is given up in time") {
  const auto kind = GENERATE(as<std::string>(), "elevenlabs", "openai");
  const bool refuses = GENERATE(true, false);
  CAPTURE(kind, refuses);
  Voices world;
  auto endpoint = world.endpoint(kind == "openai" ? world.fake.http() + "/v1" : world.fake.ws());
  endpoint.answer_timeout = endpoint.connect_timeout = 200ms;
  if (refuses) {
    world.fake.refuse(429, 100, "Retry-After: 9\r\n");
  } else {
    world.fake.server().set_faults({0, std::nullopt, 0, 0ms});
  }
  std::unique_ptr<speech::Speaker> voice;
  if (kind == "openai") {
    voice = std::make_unique<OpenAiVoice>(*world.host, World::shared(endpoint), world.news.sink());
  } else {
    voice =
        std::make_unique<ElevenLabsVoice>(*world.host, World::shared(endpoint), world.news.sink());
  }
  voice->begin(1);
  voice->add(kFirst);
  voice->end();
  const auto failed = world.news.wait<speech::SpeakingFailed>();
  CHECK(failed.utterance == 1);
}

TEST_CASE("provider.voice: cut in the middle it is told, never half a text as a whole one") {
  const auto kind = GENERATE(as<std::string>(), "elevenlabs", "openai");
  for (const std::size_t cut : {1U, 97U, 300U, 900U, 5000U, 13000U}) {
    CAPTURE(kind, cut);
    Voices world;
    world.fake.server().set_faults({0, cut, std::nullopt, 0ms});
    const auto voice = world.make(kind);
    voice->begin(1);
    voice->add(kFirst + kSecond);
    voice->end();
    world.wait_for([&] {
      return !world.news.all<speech::SpeakingDone>().empty() ||
             !world.news.all<speech::SpeakingFailed>().empty();
    });
    if (world.news.all<speech::SpeakingDone>().empty()) continue;
    const auto whole = (kFirst.size() + kSecond.size()) * fakes::kMsPerChar;
    CHECK(world.audio(1).size() / 8 + 50 >= whole);
  }
}

TEST_CASE("provider.elevenlabs: an error in the middle of the text is told with its words") {
  const auto message = parse_elevenlabs(R"({"error":"quota_exceeded","message":"no credit left"})");
  REQUIRE(message);
  CHECK(message->error == "no credit left");
}

TEST_CASE("provider.text_follower: what is spoken is followed through differences of white space") {
  TextFollower follower;
  follower.append("Hello  there, ");
  for (const char* c : {" ", "H", "e", "l", "l", "o", " "}) follower.spoken(c);
  CHECK(follower.position() == 6);
  for (const char* c : {"t", "h", "e", "r", "e", ","}) follower.spoken(c);
  CHECK(follower.rest() == " ");
  for (int i = 0; i < 10; ++i) follower.spoken("x");
  CHECK(follower.rest().empty());
}

TEST_CASE("provider.sample_reader: samples come out the same however the bytes are split") {
  std::string bytes;
  for (int i = 0; i < 100; ++i)
    bytes += std::string{static_cast<char>(i * 7), static_cast<char>(i - 50)};
  audio::Pcm whole;
  SampleReader().feed(bytes, whole);
  REQUIRE(whole.size() == 100);
  CHECK(whole[1] == static_cast<std::int16_t>((static_cast<unsigned char>(-49) << 8U) | 7U));
  for (std::size_t step = 1; step < bytes.size(); ++step) {
    SampleReader reader;
    audio::Pcm pcm;
    for (std::size_t at = 0; at < bytes.size(); at += step)
      reader.feed(bytes.substr(at, step), pcm);
    CHECK(pcm == whole);
  }
}
