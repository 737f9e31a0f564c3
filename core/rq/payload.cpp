#include "core/rq/payload.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/rq/compress.hpp"
#include "core/rq/pickle.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kShownBytes = 75;  // RQ cuts each argument there

constexpr json::Limits kJsonLimits = {.bytes = kMaxDataBytes, .depth = 100};

bool looks_like_json(std::string_view bytes) {
  const auto trimmed = trim(bytes);
  return !trimmed.empty() && (trimmed[0] == '[' || trimmed[0] == '{' || trimmed[0] == '"' ||
                              trimmed[0] == '-' || (trimmed[0] >= '0' && trimmed[0] <= '9') ||
                              trimmed == "null" || trimmed == "true" || trimmed == "false");
}

Result<Json> load(std::string_view bytes, Serializer serializer, std::string* foreign) {
  return serializer == Serializer::json ? json::parse(bytes, kJsonLimits, "job data")
                                        : unpickle(bytes, foreign);
}

/// As Python's repr() shows it, near enough for people.
std::string show(const Json& value) {
  std::string text;
  if (value.is_string()) {
    text = "'" + value.get<std::string>() + "'";
  } else if (value.is_null()) {
    text = "None";
  } else if (value.is_boolean()) {
    text = value.get<bool>() ? "True" : "False";
  } else {
    text = json::dump(value);
  }
  const auto cut = truncate_utf8(text, kShownBytes);
  return cut.size() == text.size() ? text : std::string(cut) + "...";
}

}  // namespace

Result<Call> decode_call(std::string_view data, Json& args, Json& kwargs) {
  std::string bytes;
  if (auto inflated = inflate(data, kMaxDataBytes)) {
    bytes = *std::move(inflated);
  } else if (inflated.error().code == Errc::limit || data.size() > kMaxDataBytes) {
    return Error{Errc::limit, fmt::format("job data of more than {} bytes", kMaxDataBytes)};
  } else {
    bytes = data;  // RQ reads jobs that were never compressed, too
  }

  Call call;
  call.serializer = bytes.starts_with('[') ? Serializer::json : Serializer::pickle;
  CALL_TRY(auto parts, load(bytes, call.serializer, &call.foreign));
  if (!parts.is_array() || parts.size() != 4 || !parts[0].is_string())
    return Error{Errc::invalid_argument, "job data that is not (function, instance, args, kwargs)"};
  if (parts[2].is_null()) parts[2] = Json::array();
  if (parts[3].is_null()) parts[3] = Json::object();
  if (!parts[2].is_array() || !parts[3].is_object())
    return Error{Errc::invalid_argument, "job data whose arguments are not (args, kwargs)"};
  call.function = parts[0].get<std::string>();
  args = std::move(parts[2]);
  kwargs = std::move(parts[3]);
  if (!parts[1].is_null() && call.foreign.empty()) call.foreign = "bound method";
  return call;
}

std::string encode_call(std::string_view function, const Json& args, const Json& kwargs,
                        Serializer serializer) {
  if (serializer == Serializer::json)
    return deflate(json::dump(Json::array({to_valid_utf8(function), nullptr, args, kwargs})));
  return deflate(pickle_call(function, args, kwargs));
}

std::string describe_call(std::string_view function, const Json& args, const Json& kwargs) {
  std::vector<std::string> shown;
  for (const Json& item : args) shown.push_back(show(item));
  for (const auto& [key, item] : kwargs.items()) shown.push_back(key + "=" + show(item));
  return fmt::format("{}({})", function, join(shown, ", "));
}

std::string encode_return(const Json& value, Serializer serializer) {
  if (value.is_null()) return {};
  return crypto::base64_encode(serializer == Serializer::json ? json::dump(value) : pickle(value));
}

Result<Json> decode_return(std::string_view text) {
  const auto bytes = crypto::base64_decode(text);
  if (!bytes) return Error{Errc::invalid_argument, "a return value that is not base64"};
  if (bytes->size() > kMaxDataBytes) return Error{Errc::limit, "a return value that is too large"};
  std::string foreign;
  return load(*bytes, looks_like_json(*bytes) ? Serializer::json : Serializer::pickle, &foreign);
}

std::string encode_failure(std::string_view text) {
  return crypto::base64_encode(deflate(to_valid_utf8(truncate_utf8(text, kMaxFailureBytes))));
}

Result<std::string> decode_failure(std::string_view text) {
  const auto bytes = crypto::base64_decode(text);
  if (!bytes) return Error{Errc::invalid_argument, "a failure text that is not base64"};
  CALL_TRY(auto out, inflate(*bytes, kMaxDataBytes));
  return to_valid_utf8(out);
}

}  // namespace call::rq
