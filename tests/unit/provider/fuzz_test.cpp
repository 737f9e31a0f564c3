// Every parser of a provider's words, fed with damaged ones. Seeded: a failure names its seed.
#include <catch2/catch.hpp>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "core/provider/chat_wire.hpp"
#include "core/provider/deepgram.hpp"
#include "core/provider/elevenlabs.hpp"
#include "core/provider/openai_realtime.hpp"
#include "core/provider/openai_speech.hpp"
#include "core/provider/sse.hpp"
#include "core/provider/vosk_server.hpp"
#include "core/speech/vosk_reply.hpp"

using namespace call;
using namespace call::provider;

namespace {

const std::vector<std::string> kGood = {
    "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\ndata: "
    "[DONE]\n\n",
    R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]})",
    R"({"type":"Results","channel_index":[0,1],"start":1.5,"duration":0.7,"is_final":true,)"
    R"("from_finalize":true,"channel":{"alternatives":[{"transcript":"hello","confidence":0.9}]}})",
    R"({"audio":"ICAgIA==","isFinal":false,)"
    R"("alignment":{"chars":["H","i"],"charStartTimesMs":[0,40],"charsDurationsMs":[40,40]}})",
    R"({"text":"yes","result":[{"word":"yes","start":0.1,"end":0.4,"conf":0.97}]})",
    R"({"text":"yes","segments":[{"text":" yes","avg_logprob":-0.2,"no_speech_prob":0.01}]})"};

std::string damaged(std::string text, std::mt19937& random) {
  const auto any = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  const std::vector<std::string> bits = {
      "null", "-1", "1e308", "\"", "{", "}", "[", "]", "\\u0000", "true", "99999999999999999999",
      "\xff", "\n", "\r"};
  for (std::size_t n = 1 + any(4); n > 0 && !text.empty(); --n) {
    const auto at = any(text.size());
    switch (any(5)) {
      case 0:
        text[at] = static_cast<char>(any(256));
        break;
      case 1:
        text.erase(at, 1 + any(8));
        break;
      case 2:
        text.insert(at, bits[any(bits.size())]);
        break;
      case 3:
        text.insert(at, text.substr(any(text.size()), 1 + any(20)));
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

void feed_all(const std::string& text) {
  SseParser sse;
  ChatReader chat;
  static_cast<void>(
      sse.feed(text, [&](std::string_view data) { static_cast<void>(chat.feed(data)); }));
  static_cast<void>(ChatReader().feed(text));
  static_cast<void>(chat.calls());
  if (const auto heard = parse_deepgram(text)) CHECK(heard->end_ms >= 0);
  if (const auto spoken = parse_elevenlabs(text)) {
    for (const auto& c : spoken->chars) CHECK(c.end_ms >= 0);
  }
  static_cast<void>(speech::parse_vosk(text));
  static_cast<void>(parse_realtime(text));
  static_cast<void>(parse_transcription(text));
}

}  // namespace

TEST_CASE("provider.fuzz: no damaged message does harm") {
  for (unsigned seed = 1; seed <= 20000; ++seed) {
    std::mt19937 random(seed);
    CAPTURE(seed);
    feed_all(damaged(kGood[seed % kGood.size()], random));
  }
}

TEST_CASE("provider.fuzz: the undamaged ones are understood") {
  CHECK(parse_deepgram(kGood[2])->end_ms == 2200);
  CHECK(parse_elevenlabs(kGood[3])->chars.at(1).end_ms == 80);
  CHECK(speech::parse_vosk(kGood[4])->text == "yes");
  CHECK(parse_transcription(kGood[5])->text == "yes");
}
