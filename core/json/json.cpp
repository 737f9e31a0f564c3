#include "core/json/json.hpp"

#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"

namespace call::json {
namespace {

Error wrong_type(std::string_view path, std::string_view expected, const Json& value) {
  return {Errc::invalid_argument,
          fmt::format("{} must be {}, not {}", path, expected, value.type_name())};
}

Error missing(std::string_view path) {
  return {Errc::invalid_argument, fmt::format("{} is missing", path)};
}

// The library has no depth limit of its own, and printing a document recurses once per level: depth
// is counted before the parser sees the text.
bool deeper_than(std::string_view text, std::size_t limit) {
  std::size_t depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) return true;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return false;
}

const Json* step(const Json& value, std::string_view key) {
  if (value.is_object()) {
    const auto found = value.find(key);
    return found == value.end() ? nullptr : &*found;
  }
  if (value.is_array()) {
    const auto index = parse_number<std::size_t>(key);
    return index && *index < value.size() ? &value[*index] : nullptr;
  }
  return nullptr;
}

template <class T, class Get>
Result<T> or_fallback(const Json& document, std::string_view path, T fallback, Get get) {
  if (find(document, path) == nullptr) return fallback;
  return get(document, path);
}

}  // namespace

Result<Json> parse(std::string_view text, const Limits& limits, std::string_view what) {
  if (text.size() > limits.bytes) {
    return Error{Errc::limit, fmt::format("{} is larger than {} bytes", what, limits.bytes)};
  }
  if (deeper_than(text, limits.depth)) {
    return Error{Errc::limit, fmt::format("{} is nested deeper than {}", what, limits.depth)};
  }
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    return Error{Errc::invalid_argument, fmt::format("{} is not valid at byte {}", what, e.byte)};
  } catch (const Json::exception& e) {  // a number out of range
    return Error{Errc::invalid_argument, fmt::format("{} is not valid: {}", what, e.what())};
  }
}

std::string dump(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

const Json* find(const Json& document, std::string_view path) {
  const Json* value = &document;
  for (const std::string_view key : split(path, '.')) {
    value = step(*value, key);
    if (value == nullptr) return nullptr;
  }
  return value->is_null() ? nullptr : value;
}

Result<std::string> get_string(const Json& document, std::string_view path) {
  const Json* value = find(document, path);
  if (value == nullptr) return missing(path);
  if (!value->is_string()) return wrong_type(path, "a string", *value);
  return value->get<std::string>();
}

Result<std::int64_t> get_int(const Json& document, std::string_view path) {
  const Json* value = find(document, path);
  if (value == nullptr) return missing(path);
  if (!value->is_number_integer()) return wrong_type(path, "a whole number", *value);
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value->is_number_unsigned() && value->get<std::uint64_t>() > kMax) {
    return Error{Errc::invalid_argument, fmt::format("{} is out of range", path)};
  }
  return value->get<std::int64_t>();
}

Result<double> get_number(const Json& document, std::string_view path) {
  const Json* value = find(document, path);
  if (value == nullptr) return missing(path);
  if (!value->is_number()) return wrong_type(path, "a number", *value);
  return value->get<double>();
}

Result<bool> get_bool(const Json& document, std::string_view path) {
  const Json* value = find(document, path);
  if (value == nullptr) return missing(path);
  if (!value->is_boolean()) return wrong_type(path, "true or false", *value);
  return value->get<bool>();
}

Result<Json> get_object(const Json& document, std::string_view path) {
  const Json* value = find(document, path);
  if (value == nullptr) return missing(path);
  if (!value->is_object()) return wrong_type(path, "an object", *value);
  return Json(*value);
}

Result<Json> get_array(const Json& document, std::string_view path) {
  const Json* value = find(document, path);
  if (value == nullptr) return missing(path);
  if (!value->is_array()) return wrong_type(path, "an array", *value);
  return Json(*value);
}

Result<std::string> get_string_or(const Json& document, std::string_view path,
                                  std::string_view fallback) {
  return or_fallback<std::string>(document, path, std::string(fallback), get_string);
}

Result<std::int64_t> get_int_or(const Json& document, std::string_view path,
                                std::int64_t fallback) {
  return or_fallback<std::int64_t>(document, path, fallback, get_int);
}

Result<double> get_number_or(const Json& document, std::string_view path, double fallback) {
  return or_fallback<double>(document, path, fallback, get_number);
}

Result<bool> get_bool_or(const Json& document, std::string_view path, bool fallback) {
  return or_fallback<bool>(document, path, fallback, get_bool);
}

}  // namespace call::json
