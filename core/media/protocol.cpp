#include "core/media/protocol.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/json/json.hpp"
#include "core/media/flat_json.hpp"

namespace call::media {
namespace {

constexpr std::size_t kMaxIdBytes = 64;
constexpr std::size_t kMaxNameBytes = 256;
constexpr std::size_t kMaxParameterBytes = 4096;
constexpr std::int64_t kMaxTimestampMs = 24LL * 3600 * 1000;

Error broken(std::string_view what) {
  return {Errc::protocol, std::string(what)};
}

bool is_audio_key(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'D') || c == '*' || c == '#';
}

/// Ids go into file names, logs and records.
bool is_id(std::string_view text) {
  if (text.empty() || text.size() > kMaxIdBytes) return false;
  return text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
         std::string_view::npos;
}

Result<Message> make_media(std::string_view track, std::string_view timestamp,
                           std::string_view payload) {
  if (!track.empty() && track != "inbound") return broken("media.track is not \"inbound\"");
  MediaFrame frame;
  if (!timestamp.empty()) {
    const auto ms = parse_number<std::int64_t>(timestamp);
    if (!ms || *ms < 0 || *ms > kMaxTimestampMs) {
      return broken("media.timestamp is not a time in milliseconds");
    }
    frame.timestamp_ms = *ms;
  }
  if (payload.size() > kMaxPayloadSamples / 3 * 4 + 4) {
    return Error{Errc::limit, fmt::format("media.payload has {} bytes", payload.size())};
  }
  if (!crypto::base64_decode_into(frame.mulaw, payload))
    return broken("media.payload is not base64");
  if (frame.mulaw.empty()) return broken("media.payload is empty");
  return Message(std::move(frame));
}

/// A string, or a number as its decimal text; nullopt when missing or of another type.
std::optional<std::string> text_at(const Json& document, std::string_view path) {
  const Json* value = json::find(document, path);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number_integer()) return value->dump();
  return std::nullopt;
}

Result<Message> read_media(const Json& document) {
  const auto timestamp = text_at(document, "media.timestamp");
  const auto payload = text_at(document, "media.payload");
  if (!payload) return broken("media.payload is missing");
  return make_media(text_at(document, "media.track").value_or(""), timestamp.value_or(""),
                    *payload);
}

Status read_parameters(const Json& document, StartInfo& start) {
  const Json* parameters = json::find(document, "start.customParameters");
  if (parameters == nullptr) return {};
  if (!parameters->is_object()) return broken("start.customParameters is not an object");
  if (parameters->size() > kMaxParameters) {
    return Error{Errc::limit,
                 fmt::format("start.customParameters has {} members", parameters->size())};
  }
  for (const auto& [name, value] : parameters->items()) {
    if (!value.is_string()) return broken("a custom parameter is not a string");
    auto text = value.get<std::string>();
    if (name.size() + text.size() > kMaxParameterBytes) {
      return Error{Errc::limit, "a custom parameter is too long"};
    }
    start.parameters.emplace(name, std::move(text));
  }
  return {};
}

Status check_format(const Json& document) {
  const Json* format = json::find(document, "start.mediaFormat");
  if (format == nullptr) return {};
  const bool good = text_at(*format, "encoding").value_or("audio/x-mulaw") == "audio/x-mulaw" &&
                    text_at(*format, "sampleRate").value_or("8000") == "8000" &&
                    text_at(*format, "channels").value_or("1") == "1";
  return good ? Status() : broken("start.mediaFormat is not mu-law, 8000 Hz, one channel");
}

Result<Message> read_start(const Json& document) {
  if (const Json* start = json::find(document, "start"); start == nullptr || !start->is_object()) {
    return broken("the start message has no \"start\" object");
  }
  StartInfo start;
  start.stream_sid = text_at(document, "streamSid").value_or("");
  if (start.stream_sid.empty())
    start.stream_sid = text_at(document, "start.streamSid").value_or("");
  start.call_sid = text_at(document, "start.callSid").value_or("");
  start.account_sid = text_at(document, "start.accountSid").value_or("");
  if (!is_id(start.stream_sid)) return broken("streamSid is missing or not an id");
  if (!is_id(start.call_sid)) return broken("start.callSid is missing or not an id");
  if (!start.account_sid.empty() && !is_id(start.account_sid))
    return broken("start.accountSid is not an id");
  CALL_CHECK(check_format(document));
  CALL_CHECK(read_parameters(document, start));
  return Message(std::move(start));
}

Result<Message> read_digit(const Json& document) {
  const auto digit = text_at(document, "dtmf.digit");
  if (!digit || digit->size() != 1 || !is_audio_key(digit->front())) {
    return broken("dtmf.digit is not one key of a telephone");
  }
  return Message(DigitKey{digit->front()});
}

Result<Message> read_mark(const Json& document) {
  const auto name = text_at(document, "mark.name");
  if (!name || name->size() > kMaxNameBytes) return broken("mark.name is missing or too long");
  return Message(MarkEcho{*name});
}

void append_quoted_sid(std::string& out, std::string_view event, std::string_view stream_sid) {
  out.append(R"({"event":")")
      .append(event)
      .append(R"(","streamSid":")")
      .append(stream_sid)
      .append("\"");
}

}  // namespace

std::string_view StartInfo::parameter(std::string_view name) const {
  const auto at = parameters.find(std::string(name));
  return at == parameters.end() ? std::string_view() : std::string_view(at->second);
}

Result<Message> parse_message(std::string_view text) {
  if (text.size() > kMaxMessageBytes) return Error{Errc::limit, "the message is too long"};
  if (const auto flat = read_flat_media(text)) {
    if (flat->payload.empty()) return broken("media.payload is missing");
    return make_media(flat->track, flat->timestamp, flat->payload);
  }
  auto parsed = json::parse(text, {kMaxMessageBytes, 8}, "the message");
  if (!parsed) return broken(parsed.error().context);
  const Json& document = *parsed;
  if (!document.is_object()) return broken("the message is not an object");
  const auto event = text_at(document, "event");
  if (!event) return broken("the message has no \"event\"");
  if (*event == "media") return read_media(document);
  if (*event == "start") return read_start(document);
  if (*event == "dtmf") return read_digit(document);
  if (*event == "mark") return read_mark(document);
  if (*event == "stop") return Message(StopInfo{});
  if (*event == "connected") {
    return Message(Connected{text_at(document, "protocol").value_or(""),
                             text_at(document, "version").value_or("")});
  }
  return broken(fmt::format("unknown event \"{}\"", truncate_utf8(*event, 32)));
}

std::string media_message(std::string_view stream_sid, audio::MulawView mulaw) {
  std::string out;
  out.reserve(96 + stream_sid.size() + mulaw.size() / 3 * 4);
  append_quoted_sid(out, "media", stream_sid);
  out.append(R"(,"media":{"payload":")");
  crypto::base64_append(out, {reinterpret_cast<const char*>(mulaw.data()), mulaw.size()});
  out.append("\"}}");
  return out;
}

std::string mark_message(std::string_view stream_sid, std::string_view name) {
  std::string out;
  append_quoted_sid(out, "mark", stream_sid);
  out.append(R"(,"mark":{"name":")").append(name).append("\"}}");
  return out;
}

std::string clear_message(std::string_view stream_sid) {
  std::string out;
  append_quoted_sid(out, "clear", stream_sid);
  out.append("}");
  return out;
}

}  // namespace call::media
