// What speech and language services answer, each parser with each text.
#include "core/base/assert.hpp"
#include "core/provider/chat_wire.hpp"
#include "core/provider/deepgram.hpp"
#include "core/provider/elevenlabs.hpp"
#include "core/provider/openai_realtime.hpp"
#include "core/provider/openai_speech.hpp"
#include "core/provider/sse.hpp"
#include "core/speech/vosk_reply.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {

std::vector<std::string> seeds() {
  return {
      "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":null}]}\n\n"
      ": comment\r\nevent: x\r\ndata: [DONE]\r\n\r\n",
      R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}]})",
      R"({"choices":[{"message":{"content":"whole","tool_calls":[]},"finish_reason":"length"}]})",
      R"({"error":{"message":"no","type":"server_error","code":429}})",
      R"({"type":"Results","channel_index":[0,1],"start":1.5,"duration":0.7,"is_final":true,)"
      R"("from_finalize":true,"channel":{"alternatives":[{"transcript":"hello","confidence":0.9}]}})",
      R"({"audio":"ICAgIA==","isFinal":false,"alignment":{"chars":["H","i"],)"
      R"("charStartTimesMs":[0,40],"charsDurationsMs":[40,40]}})",
      R"({"text":"yes","result":[{"word":"yes","start":0.1,"end":0.4,"conf":0.97}]})",
      R"({"type":"response.output_audio.delta","delta":"AAAA","item_id":"i","response_id":"r"})",
      R"({"type":"response.audio_transcript.delta","delta":"Hi","item_id":"i","response_id":"r"})",
      R"({"type":"response.function_call_arguments.done","response_id":"r","call_id":"c",)"
      R"("name":"f","arguments":"{}"})",
      R"({"type":"response.done","response":{"id":"r","status":"failed",)"
      R"("status_details":{"error":{"message":"no"}}}})",
      R"({"type":"conversation.item.input_audio_transcription.completed","item_id":"i","transcript":"hi"})",
      R"({"type":"error","error":{"message":"no","code":"c","event_id":"e"}})",
      R"({"text":"yes","segments":[{"text":" yes","avg_logprob":-0.2,"no_speech_prob":0.01}]})"};
}

void feed(std::string_view input) {
  const std::string text(input);
  provider::SseParser sse;
  provider::ChatReader chat;
  static_cast<void>(
      sse.feed(text, [&](std::string_view data) { static_cast<void>(chat.feed(data)); }));
  static_cast<void>(provider::ChatReader().feed(text));
  CALL_ASSERT(chat.calls().size() <= provider::ChatReader::kMaxCalls);
  if (const auto heard = provider::parse_deepgram(text)) CALL_ASSERT(heard->end_ms >= 0);
  if (const auto spoken = provider::parse_elevenlabs(text))
    for (const auto& c : spoken->chars) CALL_ASSERT(c.end_ms >= 0);
  static_cast<void>(speech::parse_vosk(text));
  static_cast<void>(provider::parse_realtime(text));
  static_cast<void>(provider::parse_transcription(text));
}

}  // namespace call::fuzz
