#include "core/media/protocol.hpp"

#include <catch2/catch.hpp>

#include "core/crypto/base64.hpp"
#include "core/media/flat_json.hpp"

using namespace call;
using namespace call::media;

namespace {

// The forms of Twilio's documentation.
const std::string kConnected = R"({"event":"connected","protocol":"Call","version":"1.0.0"})";
const std::string kStart =
    R"({"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1",)"
    R"("tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},)"
    R"("customParameters":{"agent":"survey","var.first_name":"\u05d3\u05e0\u05d4"}},"streamSid":"MZ1"})";
const std::string kMedia =
    R"({"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"1","timestamp":"20",)"
    R"("payload":"f39/fw=="},"streamSid":"MZ1"})";

std::string why(std::string_view text) {
  const auto parsed = parse_message(text);
  REQUIRE_FALSE(parsed);
  return parsed.error().context;
}

template <class T>
T read(std::string_view text) {
  auto parsed = parse_message(text);
  REQUIRE(parsed);
  REQUIRE(std::holds_alternative<T>(*parsed));
  return std::get<T>(*parsed);
}

}  // namespace

TEST_CASE("media.protocol: all messages of the carrier are read") {
  CHECK(read<Connected>(kConnected).protocol == "Call");
  const auto start = read<StartInfo>(kStart);
  CHECK(start.call_sid == "CA1");
  CHECK(start.stream_sid == "MZ1");
  CHECK(start.account_sid == "AC1");
  CHECK(start.parameter("agent") == "survey");
  CHECK(start.parameter("var.first_name") == "\u05d3\u05e0\u05d4");
  CHECK(start.parameter("missing").empty());
  const auto frame = read<MediaFrame>(kMedia);
  CHECK(frame.timestamp_ms == 20);
  CHECK(frame.mulaw == "\x7f\x7f\x7f\x7f");
  CHECK(read<DigitKey>(
            R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"#"}})")
            .digit == '#');
  CHECK(read<MarkEcho>(R"({"event":"mark","streamSid":"MZ1","mark":{"name":"g1.0"}})").name ==
        "g1.0");
  read<StopInfo>(
      R"({"event":"stop","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}})");
}

TEST_CASE("media.protocol: a media message reads the same by the quick and by the full parser") {
  CHECK(read_flat_media(kMedia));
  // An escape anywhere makes the quick parser step aside.
  const std::string escaped =
      R"({"event":"media","x":"\u0041","media":{"track":"inbound","timestamp":20,"payload":"f39\/fw=="}})";
  CHECK_FALSE(read_flat_media(escaped));
  CHECK(read<MediaFrame>(escaped).mulaw == read<MediaFrame>(kMedia).mulaw);
  const std::string spaced =
      "\t{ \"media\" : { \"payload\" : \"f39/fw==\" , \"timestamp\" : 20 } ,\r\n \"event\" : "
      "\"media\" } ";
  CHECK(read_flat_media(spaced));
  CHECK(read<MediaFrame>(spaced).timestamp_ms == 20);
}

TEST_CASE("media.protocol: every prefix of a message is refused, never misread") {
  for (const auto& whole : {kConnected, kStart, kMedia}) {
    for (std::size_t length = 0; length < whole.size(); ++length) {
      CHECK_FALSE(parse_message(std::string_view(whole).substr(0, length)));
    }
  }
}

TEST_CASE("media.protocol: illegal forms are refused with a reason") {
  CHECK(why("").find("message") != std::string::npos);
  CHECK(why("[]") == "the message is not an object");
  CHECK(why("{}") == "the message has no \"event\"");
  CHECK(why(R"({"event":"dance"})") == "unknown event \"dance\"");
  CHECK(why(R"({"event":"start"})") == "the start message has no \"start\" object");
  CHECK(why(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"../../etc"}})") ==
        "start.callSid is missing or not an id");
  CHECK(why(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA1",)"
            R"("mediaFormat":{"encoding":"audio/l16"}}})") ==
        "start.mediaFormat is not mu-law, 8000 Hz, one channel");
  CHECK(
      why(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","customParameters":{"a":1}}})") ==
      "a custom parameter is not a string");
  CHECK(why(R"({"event":"media","media":{"timestamp":"1"}})") == "media.payload is missing");
  CHECK(why(R"({"event":"media","media":{"timestamp":"1","payload":""}})") ==
        "media.payload is missing");
  CHECK(why(R"({"event":"media","media":{"timestamp":"1","payload":"@@@@"}})") ==
        "media.payload is not base64");
  CHECK(why(R"({"event":"media","media":{"timestamp":"-1","payload":"/w=="}})") ==
        "media.timestamp is not a time in milliseconds");
  CHECK(why(R"({"event":"media","media":{"timestamp":"99999999999999999999","payload":"/w=="}})") ==
        "media.timestamp is not a time in milliseconds");
  CHECK(why(R"({"event":"media","media":{"track":"outbound","timestamp":"1","payload":"/w=="}})") ==
        "media.track is not \"inbound\"");
  CHECK(why(R"({"event":"dtmf","dtmf":{"digit":"12"}})") ==
        "dtmf.digit is not one key of a telephone");
  CHECK(why(R"({"event":"dtmf","dtmf":{"digit":"x"}})") ==
        "dtmf.digit is not one key of a telephone");
  CHECK(why(R"({"event":"mark","mark":{}})") == "mark.name is missing or too long");
}

TEST_CASE("media.protocol: sizes are limited") {
  const std::string long_payload =
      crypto::base64_encode(std::string(kMaxPayloadSamples + 10, '\xff'));
  const auto media = parse_message(R"({"event":"media","media":{"timestamp":"0","payload":")" +
                                   long_payload + "\"}}");
  REQUIRE_FALSE(media);
  CHECK(media.error().code == Errc::limit);
  CHECK(parse_message(std::string(kMaxMessageBytes + 1, ' ')).error().code == Errc::limit);
  std::string nested =
      R"({"event":"start","x":)" + std::string(50, '[') + std::string(50, ']') + "}";
  CHECK_FALSE(parse_message(nested));
  std::string many =
      R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","customParameters":{)";
  for (std::size_t i = 0; i <= kMaxParameters; ++i) many += "\"p" + std::to_string(i) + "\":\"v\",";
  many.back() = '}';
  CHECK(parse_message(many + "}}").error().code == Errc::limit);
}

TEST_CASE("media.protocol: what the server sends is what Twilio accepts") {
  const audio::Mulaw mulaw{0x7f, 0x7f, 0x7f, 0x7f};
  CHECK(media_message("MZ1", mulaw) ==
        R"({"event":"media","streamSid":"MZ1","media":{"payload":"f39/fw=="}})");
  CHECK(mark_message("MZ1", "g1.0") ==
        R"({"event":"mark","streamSid":"MZ1","mark":{"name":"g1.0"}})");
  CHECK(clear_message("MZ1") == R"({"event":"clear","streamSid":"MZ1"})");
}
