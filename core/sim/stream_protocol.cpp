#include "core/sim/stream_protocol.hpp"

#include <initializer_list>
#include <nlohmann/json.hpp>

#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"

namespace call::sim {
namespace {

using Ordered = nlohmann::ordered_json;

std::string dump(const Ordered& message) {
  return message.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

Error invalid(std::string_view why) {
  return {Errc::invalid_argument, std::string(why)};
}

bool has_exactly(const Json& object, std::initializer_list<const char*> keys) {
  if (!object.is_object() || object.size() != keys.size()) return false;
  for (const auto* key : keys)
    if (!object.contains(key)) return false;
  return true;
}

Result<StreamCommand> parse_media(const Json& message) {
  if (!has_exactly(message, {"event", "streamSid", "media"}) ||
      !has_exactly(message["media"], {"payload"}))
    return invalid("media needs exactly event, streamSid and media.payload");
  CALL_TRY(const auto payload, json::get_string(message, "media.payload"));
  auto mulaw = crypto::base64_decode(payload);
  if (!mulaw) return invalid("media.payload is not base64");
  return StreamCommand(MediaCommand{std::move(*mulaw)});
}

Result<StreamCommand> parse_mark(const Json& message) {
  if (!has_exactly(message, {"event", "streamSid", "mark"}) ||
      !has_exactly(message["mark"], {"name"}))
    return invalid("mark needs exactly event, streamSid and mark.name");
  CALL_TRY(auto name, json::get_string(message, "mark.name"));
  return StreamCommand(MarkCommand{std::move(name)});
}

}  // namespace

std::string StreamWriter::connected() {
  return dump({{"event", "connected"}, {"protocol", "Call"}, {"version", "1.0.0"}});
}

std::string StreamWriter::start(const carrier::twiml::Stream& stream) {
  auto parameters = Ordered::object();
  for (const auto& [name, value] : stream.parameters) parameters[name] = value;
  return dump(
      {{"event", "start"},
       {"sequenceNumber", next_sequence()},
       {"start",
        {{"accountSid", identity_.account_sid},
         {"streamSid", identity_.stream_sid},
         {"callSid", identity_.call_sid},
         {"tracks", Ordered::array({"inbound"})},
         {"mediaFormat", {{"encoding", "audio/x-mulaw"}, {"sampleRate", 8000}, {"channels", 1}}},
         {"customParameters", std::move(parameters)}}},
       {"streamSid", identity_.stream_sid}});
}

std::string_view StreamWriter::media(std::chrono::milliseconds timestamp,
                                     const audio::MulawFrame& frame) {
  // By hand: 50 of these a second and call.
  buffer_ = R"({"event":"media","sequenceNumber":")";
  buffer_ += next_sequence();
  buffer_ += R"(","media":{"track":"inbound","chunk":")";
  buffer_ += std::to_string(++chunk_);
  buffer_ += R"(","timestamp":")";
  buffer_ += std::to_string(timestamp.count());
  buffer_ += R"(","payload":")";
  crypto::base64_append(buffer_, {reinterpret_cast<const char*>(frame.data()), frame.size()});
  buffer_ += R"("},"streamSid":")";
  buffer_ += identity_.stream_sid;
  buffer_ += R"("})";
  return buffer_;
}

std::string StreamWriter::mark(std::string_view name) {
  return dump({{"event", "mark"},
               {"sequenceNumber", next_sequence()},
               {"streamSid", identity_.stream_sid},
               {"mark", {{"name", name}}}});
}

std::string StreamWriter::dtmf(char digit) {
  return dump({{"event", "dtmf"},
               {"streamSid", identity_.stream_sid},
               {"sequenceNumber", next_sequence()},
               {"dtmf", {{"track", "inbound_track"}, {"digit", std::string(1, digit)}}}});
}

std::string StreamWriter::stop() {
  return dump({{"event", "stop"},
               {"sequenceNumber", next_sequence()},
               {"streamSid", identity_.stream_sid},
               {"stop", {{"accountSid", identity_.account_sid}, {"callSid", identity_.call_sid}}}});
}

Result<StreamCommand> parse_command(std::string_view message, std::string_view stream_sid) {
  constexpr json::Limits kLimits{.bytes = 16U << 20, .depth = 8};
  CALL_TRY(const auto document, json::parse(message, kLimits, "the message"));
  if (!document.is_object()) return invalid("the message is not an object");
  CALL_TRY(const auto event, json::get_string(document, "event"));
  CALL_TRY(const auto sid, json::get_string(document, "streamSid"));
  if (sid != stream_sid) return invalid("streamSid is not this stream's");
  if (event == "media") return parse_media(document);
  if (event == "mark") return parse_mark(document);
  if (event != "clear") return invalid("unknown event");
  if (!has_exactly(document, {"event", "streamSid"}))
    return invalid("clear needs exactly event and streamSid");
  return StreamCommand(ClearCommand{});
}

}  // namespace call::sim
