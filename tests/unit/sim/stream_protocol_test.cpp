#include "core/sim/stream_protocol.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"

using namespace call;
using namespace call::sim;

namespace {

const std::string kStream = "MZ" + std::string(32, 'c');
const StreamIdentity kIdentity{"AC1", "CA1", kStream};

Json parsed(std::string_view text) {
  return json::parse(text).value();
}

std::string message(const std::string& inside) {
  return R"({"streamSid":")" + kStream + R"(",)" + inside + "}";
}

}  // namespace

TEST_CASE("sim.stream_protocol: messages have Twilio's fields, numbers as strings, counted apart") {
  StreamWriter writer(kIdentity);
  carrier::twiml::Stream stream;
  stream.parameters = {{"agent", "echo"}, {"name", "\xD7\x93"}};
  REQUIRE(parsed(StreamWriter::connected()) ==
          Json({{"event", "connected"}, {"protocol", "Call"}, {"version", "1.0.0"}}));
  const auto start = parsed(writer.start(stream));
  REQUIRE(start["sequenceNumber"] == "1");
  REQUIRE(start["streamSid"] == kStream);
  REQUIRE(start["start"]["callSid"] == "CA1");
  REQUIRE(start["start"]["accountSid"] == "AC1");
  REQUIRE(start["start"]["streamSid"] == kStream);
  REQUIRE(start["start"]["tracks"] == Json::array({"inbound"}));
  REQUIRE(start["start"]["customParameters"] == Json({{"agent", "echo"}, {"name", "\xD7\x93"}}));
  REQUIRE(start["start"]["mediaFormat"] ==
          Json({{"encoding", "audio/x-mulaw"}, {"sampleRate", 8000}, {"channels", 1}}));

  audio::MulawFrame frame;
  frame.fill(0x7F);
  const auto media = parsed(writer.media(std::chrono::milliseconds(0), frame));
  REQUIRE(media["event"] == "media");
  REQUIRE(media["sequenceNumber"] == "2");
  REQUIRE(media["media"]["chunk"] == "1");
  REQUIRE(media["media"]["timestamp"] == "0");
  REQUIRE(media["media"]["track"] == "inbound");
  REQUIRE(crypto::base64_decode(media["media"]["payload"].get<std::string>()) ==
          std::string(160, '\x7F'));
  REQUIRE(parsed(writer.mark("m1"))["mark"]["name"] == "m1");
  const auto dtmf = parsed(writer.dtmf('5'));
  REQUIRE(dtmf["dtmf"] == Json({{"track", "inbound_track"}, {"digit", "5"}}));
  const auto second = parsed(writer.media(std::chrono::milliseconds(20), frame));
  REQUIRE(second["sequenceNumber"] == "5");
  REQUIRE(second["media"]["chunk"] == "2");
  REQUIRE(second["media"]["timestamp"] == "20");
  REQUIRE(parsed(writer.stop())["stop"] == Json({{"accountSid", "AC1"}, {"callSid", "CA1"}}));
}

TEST_CASE("sim.stream_protocol: the three commands are understood") {
  const auto media =
      parse_command(message(R"("event":"media","media":{"payload":"AAEC"})"), kStream);
  REQUIRE(std::get<MediaCommand>(media.value()).mulaw == std::string("\0\1\2", 3));
  const auto mark = parse_command(message(R"("event":"mark","mark":{"name":"x"})"), kStream);
  REQUIRE(std::get<MarkCommand>(mark.value()).name == "x");
  REQUIRE(std::holds_alternative<ClearCommand>(
      parse_command(message(R"("event":"clear")"), kStream).value()));
}

TEST_CASE(
    "sim.stream_protocol: anything else is invalid: unknown, missing or extra fields, other "
    "streams") {
  const std::vector<std::string> bad{
      "",
      "x",
      "[]",
      "{}",
      R"({"event":"clear"})",
      R"({"event":"clear","streamSid":"MZother"})",
      message(R"("event":"clear","extra":1)"),
      message(R"("event":"start")"),
      message(R"("event":7)"),
      message(R"("event":"media")"),
      message(R"("event":"media","media":"AAEC")"),
      message(R"("event":"media","media":{"payload":5})"),
      message(R"("event":"media","media":{"payload":"A*"})"),
      message(R"("event":"media","media":{"payload":"AAEC","track":"outbound"})"),
      message(R"("event":"mark","mark":{})"),
      message(R"("event":"mark","mark":{"name":null})"),
  };
  for (const auto& text : bad) {
    INFO(text);
    REQUIRE_FALSE(parse_command(text, kStream).ok());
  }
}
