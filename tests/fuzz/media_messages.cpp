// What a carrier says on a media stream, and the simulator is told. The quick reader and the full one must agree.
#include "core/base/assert.hpp"
#include "core/media/flat_json.hpp"
#include "core/media/protocol.hpp"
#include "core/sim/stream_protocol.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {

std::vector<std::string> seeds() {
  return {
      R"({"event":"connected","protocol":"Call","version":"1.0.0"})",
      R"({"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1",)"
      R"("callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw",)"
      R"("sampleRate":8000,"channels":1},"customParameters":{"token":"t"}},"streamSid":"MZ1"})",
      R"({"event":"media","sequenceNumber":"3","media":{"track":"inbound","chunk":"1",)"
      R"("timestamp":"5","payload":"//79/f7+"},"streamSid":"MZ1"})",
      R"({"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track",)"
      R"("digit":"1"}})",
      R"({"event":"mark","sequenceNumber":"4","streamSid":"MZ1","mark":{"name":"m\u0041"}})",
      R"({"event":"stop","sequenceNumber":"5","stop":{"accountSid":"AC1","callSid":"CA1"},)"
      R"("streamSid":"MZ1"})",
      R"({"event":"start","sequence_number":"1","stream_id":"S","start":{"call_control_id":"C",)"
      R"("media_format":{"encoding":"PCMU","sample_rate":8000,"channels":1},)"
      R"("custom_parameters":{"a":"b"}}})",
      R"({"event":"media","stream_id":"S","media":{"track":"inbound","chunk":2,"timestamp":40,)"
      R"("payload":"AAAA"}})",
      R"({"event":"media","streamSid":"MZ1","media":{"payload":"//79"}})",
      R"({"event":"clear","streamSid":"MZ1"})"};
}

void feed(std::string_view input) {
  for (const auto dialect : {media::Dialect::twilio, media::Dialect::telnyx}) {
    static_cast<void>(media::parse_message(input, dialect, "MZ1"));
    const auto message = media::parse_message(input, dialect);
    if (!message) continue;
    if (const auto* frame = std::get_if<media::MediaFrame>(&*message))
      CALL_ASSERT(!frame->mulaw.empty() && frame->mulaw.size() <= media::kMaxPayloadSamples);
  }
  static_cast<void>(sim::parse_command(input, "MZ1"));
  const auto flat = media::read_flat_media(input);
  CALL_ASSERT(!flat || flat->payload.size() <= input.size());
}

}  // namespace call::fuzz
