#include "core/provider/realtime_wire.hpp"

#include <nlohmann/json.hpp>
#include <utility>

#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"

namespace call::provider {
namespace {

using Kind = RealtimeMessage::Kind;

std::string text_at(const Json& json, const char* path) {
  return json::get_string_or(json, path, "").value_or("");
}

Json tools_of(const RealtimeSetup& setup) {
  Json tools = Json::array();
  if (!setup.tools) return tools;
  for (const auto& tool : *setup.tools) {
    auto parameters = json::parse(tool.parameters);
    tools.push_back({{"type", "function"},
                     {"name", tool.name},
                     {"description", tool.description},
                     {"parameters", parameters ? std::move(*parameters) : Json::object()}});
  }
  return tools;
}

}  // namespace

std::string realtime_session(const Endpoint& endpoint, RealtimeDialect dialect,
                             const RealtimeSetup& setup) {
  Json session = {{"instructions", setup.instructions}, {"tools", tools_of(setup)}};
  const Json transcription = {{"model", "whisper-1"}};
  if (dialect == RealtimeDialect::current) {
    const Json format = {{"type", "audio/pcmu"}};
    session["type"] = "realtime";
    session["output_modalities"] = {"audio"};
    session["audio"]["input"] = {
        {"format", format}, {"turn_detection", nullptr}, {"transcription", transcription}};
    session["audio"]["output"]["format"] = format;
    if (!endpoint.voice.empty()) session["audio"]["output"]["voice"] = endpoint.voice;
  } else {
    session["modalities"] = {"audio", "text"};
    session["input_audio_format"] = session["output_audio_format"] = "g711_ulaw";
    session["turn_detection"] = nullptr;
    session["input_audio_transcription"] = transcription;
    if (!endpoint.voice.empty()) session["voice"] = endpoint.voice;
  }
  for (const auto& [name, value] : endpoint.extra) {
    auto parsed = json::parse(value);
    session[name] = parsed ? std::move(*parsed) : Json(value);
  }
  return json::dump({{"type", "session.update"}, {"session", std::move(session)}});
}

Result<RealtimeMessage> parse_realtime(std::string_view text) {
  CALL_TRY(const auto json,
           json::parse(text, {.bytes = kMaxRealtimeMessage}, "the realtime message"));
  if (!json.is_object()) return Error{Errc::protocol, "the realtime message is no object"};
  const auto type = text_at(json, "type");
  const auto is = [&](std::string_view now, std::string_view beta) {
    return type == now || type == beta;
  };
  RealtimeMessage message;
  message.item = text_at(json, "item_id");
  message.response = text_at(json, "response_id");
  if (message.response.empty()) message.response = text_at(json, "response.id");
  if (type == "session.updated") {
    message.kind = Kind::ready;
  } else if (type == "input_audio_buffer.committed") {
    message.kind = Kind::committed;
  } else if (type == "response.created") {
    message.kind = Kind::created;
    message.event = text_at(json, "response.metadata.ask");
  } else if (is("response.output_audio.delta", "response.audio.delta")) {
    message.kind = Kind::audio;
    if (!crypto::base64_decode_into(message.bytes, text_at(json, "delta")))
      return Error{Errc::protocol, "the realtime audio is no base64"};
  } else if (is("response.output_audio_transcript.delta", "response.audio_transcript.delta") ||
             is("response.output_text.delta", "response.text.delta")) {
    message.kind = Kind::agent_text;
    message.text = text_at(json, "delta");
  } else if (type == "conversation.item.input_audio_transcription.completed" ||
             type == "conversation.item.input_audio_transcription.failed") {
    message.kind = Kind::callee_text;
    message.text = text_at(json, "transcript");
  } else if (type == "response.function_call_arguments.done") {
    message.kind = Kind::call;
    message.call = {text_at(json, "call_id"), text_at(json, "name"), text_at(json, "arguments")};
  } else if (type == "response.done") {
    message.kind = Kind::done;
    message.text = text_at(json, "response.status");
    message.reason = text_at(json, "response.status_details.error.message");
  } else if (type == "error") {
    message.kind = Kind::error;
    message.reason = text_at(json, "error.message");
    message.code = text_at(json, "error.code");
    message.event = text_at(json, "error.event_id");
  }
  return message;
}

}  // namespace call::provider
