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

/// How a carrier names things.
struct Names {
  std::string_view stream_sid;
  std::string_view call_sid;
  std::string_view account_sid;
  std::string_view parameters;
  std::string_view format;
  std::string_view sample_rate;
  std::string_view encoding;  ///< of mu-law
  bool replies_name_stream;
};

constexpr Names kTwilio = {"streamSid",   "callSid",    "accountSid",    "customParameters",
                           "mediaFormat", "sampleRate", "audio/x-mulaw", true};
constexpr Names kTelnyx = {"stream_id",    "call_control_id", "user_id", "custom_parameters",
                           "media_format", "sample_rate",     "PCMU",    false};

constexpr const Names& names_of(Dialect dialect) {
  return dialect == Dialect::twilio ? kTwilio : kTelnyx;
}

Error broken(std::string_view what) {
  return {Errc::protocol, std::string(what)};
}

bool is_key(char c) {
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
  if (track == "outbound" || track == "outbound_track") {
    return Message(Ignored{Ignored::Why::other_track, {}});
  }
  if (!track.empty() && track != "inbound" && track != "inbound_track") {
    return broken("media.track is neither \"inbound\" nor \"outbound\"");
  }
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

/// A member of the start message: in its "start" object, or beside it, as some senders flatten it.
const Json* find_in_start(const Json& document, std::string_view name) {
  if (const Json* nested = json::find(document, fmt::format("start.{}", name))) return nested;
  return json::find(document, name);
}

std::string id_in_start(const Json& document, std::string_view name) {
  const Json* value = find_in_start(document, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

Status read_parameters(const Json& document, const Names& names, StartInfo& start) {
  const Json* parameters = find_in_start(document, names.parameters);
  if (parameters == nullptr || parameters->is_null()) return {};
  if (!parameters->is_object()) return broken("the custom parameters are not an object");
  if (parameters->size() > kMaxParameters) {
    return Error{Errc::limit, fmt::format("{} custom parameters", parameters->size())};
  }
  for (const auto& [name, value] : parameters->items()) {
    if (value.is_structured()) return broken("a custom parameter is not a text");
    auto text = value.is_string() ? value.get<std::string>()
                : value.is_null() ? std::string()
                                  : value.dump();
    if (name.size() + text.size() > kMaxParameterBytes) {
      return Error{Errc::limit, "a custom parameter is too long"};
    }
    start.parameters.emplace(name, std::move(text));
  }
  return {};
}

Status check_format(const Json& document, const Names& names) {
  const Json* format = find_in_start(document, names.format);
  if (format == nullptr || format->is_null()) return {};
  const auto encoding = text_at(*format, "encoding").value_or(std::string(names.encoding));
  const bool good = encoding == names.encoding &&
                    text_at(*format, names.sample_rate).value_or("8000") == "8000" &&
                    text_at(*format, "channels").value_or("1") == "1";
  return good ? Status() : broken("the media format is not mu-law, 8000 Hz, one channel");
}

Result<Message> read_start(const Json& document, const Names& names) {
  const Json* nested = json::find(document, "start");
  if (nested != nullptr && !nested->is_object()) return broken("\"start\" is not an object");
  StartInfo start;
  start.stream_sid = id_in_start(document, names.stream_sid);
  start.call_sid = replace_all(id_in_start(document, names.call_sid), ":", "-");  // "v3:..."
  start.account_sid = id_in_start(document, names.account_sid);
  if (!is_id(start.stream_sid)) {
    return broken(fmt::format("{} is missing or not an id", names.stream_sid));
  }
  if (!is_id(start.call_sid)) {
    return broken(fmt::format("{} is missing or not an id", names.call_sid));
  }
  if (!start.account_sid.empty() && !is_id(start.account_sid)) {
    return broken(fmt::format("{} is not an id", names.account_sid));
  }
  CALL_CHECK(check_format(document, names));
  CALL_CHECK(read_parameters(document, names, start));
  return Message(std::move(start));
}

Result<Message> read_digit(const Json& document) {
  const auto digit = text_at(document, "dtmf.digit");
  if (digit && digit->size() == 1) {
    const char key = digit->front();
    const char upper = key >= 'a' && key <= 'd' ? static_cast<char>(key - 'a' + 'A') : key;
    if (is_key(upper)) return Message(DigitKey{upper});
  }
  return broken("dtmf.digit is not one key of a telephone");
}

Result<Message> read_mark(const Json& document) {
  const auto name = text_at(document, "mark.name");
  if (!name || name->size() > kMaxNameBytes) return broken("mark.name is missing or too long");
  return Message(MarkEcho{*name});
}

/// What a carrier says of its own or our faults.
Result<Message> read_error(const Json& document) {
  const Json* payload = json::find(document, "payload");
  const auto what = payload == nullptr ? std::string("no details") : payload->dump();
  return Message(
      Ignored{Ignored::Why::carrier_error, std::string(truncate_utf8(what, kMaxNameBytes))});
}

bool is_of_stream(const Json& document, const Names& names, std::string_view stream_sid) {
  const auto sid = text_at(document, names.stream_sid);
  return stream_sid.empty() || !sid || *sid == stream_sid;
}

}  // namespace

std::string_view StartInfo::parameter(std::string_view name) const {
  const auto at = parameters.find(std::string(name));
  return at == parameters.end() ? std::string_view() : std::string_view(at->second);
}

std::optional<Dialect> parse_dialect(std::string_view name) {
  if (name == "twilio") return Dialect::twilio;
  if (name == "telnyx") return Dialect::telnyx;
  return std::nullopt;
}

Result<Message> parse_message(std::string_view text, Dialect dialect, std::string_view stream_sid) {
  const Names& names = names_of(dialect);
  const auto stranger = [] { return broken("the message is of another stream"); };
  if (text.size() > kMaxMessageBytes) return Error{Errc::limit, "the message is too long"};
  if (const auto flat = read_flat_media(text, names.stream_sid)) {
    if (flat->payload.empty()) return broken("media.payload is missing");
    if (!stream_sid.empty() && !flat->stream_sid.empty() && flat->stream_sid != stream_sid) {
      return stranger();
    }
    return make_media(flat->track, flat->timestamp, flat->payload);
  }
  auto parsed = json::parse(text, {kMaxMessageBytes, 8}, "the message");
  if (!parsed) return broken(parsed.error().context);
  const Json& document = *parsed;
  if (!document.is_object()) return broken("the message is not an object");
  const auto event = text_at(document, "event");
  if (!event) return broken("the message has no \"event\"");
  if (*event == "start") return read_start(document, names);
  if (!is_of_stream(document, names, stream_sid)) return stranger();
  if (*event == "media") return read_media(document);
  if (*event == "dtmf") return read_digit(document);
  if (*event == "mark") return read_mark(document);
  if (*event == "stop") return Message(StopInfo{});
  if (*event == "error") return read_error(document);
  if (*event == "connected") {
    return Message(Connected{text_at(document, "protocol").value_or(""),
                             text_at(document, "version").value_or("")});
  }
  return Message(
      Ignored{Ignored::Why::unknown_event, std::string(truncate_utf8(*event, kMaxNameBytes))});
}

MessageWriter::MessageWriter(Dialect dialect, std::string_view stream_sid) {
  const Names& names = names_of(dialect);
  if (!names.replies_name_stream) return;
  stream_ = fmt::format(R"(,"{}":"{}")", names.stream_sid, stream_sid);
}

std::string MessageWriter::media(audio::MulawView mulaw) const {
  std::string out;
  out.reserve(64 + stream_.size() + mulaw.size() / 3 * 4);
  out.append(R"({"event":"media")").append(stream_).append(R"(,"media":{"payload":")");
  crypto::base64_append(out, {reinterpret_cast<const char*>(mulaw.data()), mulaw.size()});
  out.append("\"}}");
  return out;
}

std::string MessageWriter::mark(std::string_view name) const {
  std::string out = R"({"event":"mark")";
  return out.append(stream_).append(R"(,"mark":{"name":")").append(name).append("\"}}");
}

std::string MessageWriter::clear() const {
  std::string out = R"({"event":"clear")";
  return out.append(stream_).append("}");
}

}  // namespace call::media
