#include "core/media/protocol.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

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
  CHECK(why(R"({"event":"start"})") == "streamSid is missing or not an id");
  CHECK(why(R"({"event":"start","start":7})") == "\"start\" is not an object");
  CHECK(why(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"../../etc"}})") ==
        "callSid is missing or not an id");
  CHECK(why(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA1",)"
            R"("mediaFormat":{"encoding":"audio/l16"}}})") ==
        "the media format is not mu-law, 8000 Hz, one channel");
  CHECK(
      why(R"({"event":"start","streamSid":"MZ1","start":{"callSid":"CA1","customParameters":{"a":[1]}}})") ==
      "a custom parameter is not a text");
  CHECK(why(R"({"event":"media","media":{"timestamp":"1"}})") == "media.payload is missing");
  CHECK(why(R"({"event":"media","media":{"timestamp":"1","payload":""}})") ==
        "media.payload is missing");
  CHECK(why(R"({"event":"media","media":{"timestamp":"1","payload":"@@@@"}})") ==
        "media.payload is not base64");
  CHECK(why(R"({"event":"media","media":{"timestamp":"-1","payload":"/w=="}})") ==
        "media.timestamp is not a time in milliseconds");
  CHECK(why(R"({"event":"media","media":{"timestamp":"99999999999999999999","payload":"/w=="}})") ==
        "media.timestamp is not a time in milliseconds");
  CHECK(why(R"({"event":"media","media":{"track":"sideways","timestamp":"1","payload":"/w=="}})") ==
        "media.track is neither \"inbound\" nor \"outbound\"");
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
  const MessageWriter twilio(Dialect::twilio, "MZ1");
  CHECK(twilio.media(mulaw) ==
        R"({"event":"media","streamSid":"MZ1","media":{"payload":"f39/fw=="}})");
  CHECK(twilio.mark("g1.0") == R"({"event":"mark","streamSid":"MZ1","mark":{"name":"g1.0"}})");
  CHECK(twilio.clear() == R"({"event":"clear","streamSid":"MZ1"})");
  const MessageWriter telnyx(Dialect::telnyx, "s-1");
  CHECK(telnyx.media(mulaw) == R"({"event":"media","media":{"payload":"f39/fw=="}})");
  CHECK(telnyx.mark("g1.0") == R"({"event":"mark","mark":{"name":"g1.0"}})");
  CHECK(telnyx.clear() == R"({"event":"clear"})");
}

TEST_CASE(
    "media.protocol: the start message is read nested and flat, with values of any plain type") {
  const auto flat = read<StartInfo>(
      R"({"event":"start","sequenceNumber":1,"streamSid":"MZ1","callSid":"CA1","accountSid":"AC1",)"
      R"("customParameters":{"attempt":17,"vip":true,"note":null},"new member":[1,{"x":2}]})");
  CHECK(flat.call_sid == "CA1");
  CHECK(flat.account_sid == "AC1");
  CHECK(flat.parameter("attempt") == "17");
  CHECK(flat.parameter("vip") == "true");
  CHECK(flat.parameters.contains("note"));
  const auto nested_only = read<StartInfo>(
      R"({"event":"start","start":{"streamSid":"MZ2","callSid":"CA2","customParameters":null,)"
      R"("mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":"8000","channels":"1"}}})");
  CHECK(nested_only.stream_sid == "MZ2");
  CHECK(nested_only.parameters.empty());
}

TEST_CASE("media.protocol: both tracks, unknown events and unknown members are no error") {
  using Why = Ignored::Why;
  CHECK(read<Ignored>(R"({"event":"media","media":{"track":"outbound","payload":"/w=="}})").why ==
        Why::other_track);
  CHECK(read<MediaFrame>(
            R"({"event":"media","media":{"track":"inbound_track","payload":"/w==","x":{"y":1}}})")
            .mulaw == "\xff");
  const auto unknown = read<Ignored>(R"({"event":"quality","score":{"mos":4.2}})");
  CHECK(unknown.why == Why::unknown_event);
  CHECK(unknown.what == "quality");
  CHECK(read<DigitKey>(R"({"event":"dtmf","dtmf":{"digit":"b"}})").digit == 'B');
  CHECK(read<DigitKey>(R"({"event":"dtmf","dtmf":{"digit":7,"duration":120}})").digit == '7');
}

TEST_CASE("media.protocol: a message of another stream is refused") {
  for (const char* text :
       {R"({"event":"media","streamSid":"MZ2","media":{"payload":"/w=="}})",
        R"({"event":"media","streamSid":"MZ2","x":"\u0041","media":{"payload":"/w=="}})",
        R"({"event":"mark","streamSid":"MZ2","mark":{"name":"g1.0"}})",
        R"({"event":"stop","streamSid":"MZ2"})"}) {
    const auto parsed = parse_message(text, Dialect::twilio, "MZ1");
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().context == "the message is of another stream");
    CHECK(parse_message(text, Dialect::twilio, "MZ2"));
    CHECK(parse_message(text));
  }
}

TEST_CASE("media.protocol: the same call in another carrier's words") {
  const auto in_telnyx = [](std::string_view text) {
    auto parsed = parse_message(text, Dialect::telnyx, "s-1");
    if (!parsed) FAIL(parsed.error().to_string());
    return *parsed;
  };
  CHECK(std::get<Connected>(in_telnyx(R"({"event":"connected","version":"1.0.0"})")).version ==
        "1.0.0");
  const auto start = std::get<StartInfo>(in_telnyx(
      R"({"event":"start","sequence_number":"1","start":{"user_id":"u-1","call_control_id":"v3:AbC_1",)"
      R"("media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1},)"
      R"("custom_parameters":{"agent":"survey"}},"stream_id":"s-1"})"));
  CHECK(start.stream_sid == "s-1");
  CHECK(start.call_sid == "v3-AbC_1");  // a colon is no part of a file name
  CHECK(start.account_sid == "u-1");
  CHECK(start.parameter("agent") == "survey");
  const auto frame = std::get<MediaFrame>(in_telnyx(
      R"({"event":"media","sequence_number":"4","media":{"track":"inbound","chunk":"2","timestamp":"5",)"
      R"("payload":"f39/fw=="},"stream_id":"s-1"})"));
  CHECK(frame.timestamp_ms == 5);
  CHECK(std::get<DigitKey>(in_telnyx(R"({"event":"dtmf","stream_id":"s-1","dtmf":{"digit":"1"}})"))
            .digit == '1');
  CHECK(
      std::get<MarkEcho>(in_telnyx(R"({"event":"mark","stream_id":"s-1","mark":{"name":"g1.0"}})"))
          .name == "g1.0");
  const auto error = std::get<Ignored>(in_telnyx(
      R"({"event":"error","payload":{"code":100002,"title":"invalid_media"},"stream_id":"s-1"})"));
  CHECK(error.why == Ignored::Why::carrier_error);
  CHECK(error.what.find("100002") != std::string::npos);
  CHECK(std::holds_alternative<StopInfo>(in_telnyx(R"({"event":"stop","stream_id":"s-1"})")));
  CHECK_FALSE(parse_message(R"({"event":"media","media":{"payload":"/w=="},"stream_id":"s-2"})",
                            Dialect::telnyx, "s-1"));
  CHECK_FALSE(parse_message(kStart, Dialect::telnyx));
  CHECK(parse_dialect("telnyx") == Dialect::telnyx);
  CHECK_FALSE(parse_dialect("Twilio"));
}

TEST_CASE("media.protocol: mutated messages are read or refused, never worse") {
  // A fixed seed: a failure can be repeated. The sanitizer builds run the same mutations.
  std::mt19937 random(20260101);
  const std::string digit = R"({"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"5"}})";
  const std::vector<std::string> seeds = {kConnected, kStart, kMedia, digit};
  constexpr std::string_view kSpice = "{}[]\":,\\u0e-1\x00\xff\xc3/=";
  std::size_t accepted = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (auto changes = random() % 4 + 1; changes > 0; --changes) {
      const auto at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.insert(at, 1, kSpice[random() % kSpice.size()]);
          break;
        case 2:
          text.erase(at, random() % 8 + 1);
          break;
        default:
          text.insert(at, text.substr(random() % text.size(), random() % 40));
      }
      if (text.empty()) text = "{";
    }
    const auto parsed = parse_message(text, round % 2 == 0 ? Dialect::twilio : Dialect::telnyx);
    if (!parsed) {
      CHECK_FALSE(parsed.error().context.empty());
      continue;
    }
    ++accepted;
    if (const auto* frame = std::get_if<MediaFrame>(&*parsed)) {
      CHECK_FALSE(frame->mulaw.empty());
      CHECK(frame->mulaw.size() <= kMaxPayloadSamples);
    }
    if (const auto* start = std::get_if<StartInfo>(&*parsed)) {
      CHECK(start->call_sid.find_first_of("/.\\ ") == std::string::npos);
    }
  }
  CHECK(accepted > 0);
}
