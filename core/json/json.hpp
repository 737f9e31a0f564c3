// JSON from outside, read with limits and typed getters whose errors name the path. Only this
// header and json_fwd are needed in headers; a .cpp file that builds or walks a document includes
// <nlohmann/json.hpp> itself. Everything here is pure and thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call {
using Json = nlohmann::json;
}

namespace call::json {

struct Limits {
  std::size_t bytes = 1U << 20;
  std::size_t depth = 64;  ///< nested arrays and objects
};

/// Errc::limit above a limit, Errc::invalid_argument with the byte offset for anything that is not
/// one JSON value. `what` names the document in the error text. Checks UTF-8. A key given twice
/// keeps the last value.
Result<Json> parse(std::string_view text, const Limits& limits = {},
                   std::string_view what = "JSON");

/// Compact text (indent < 0) or indented. Invalid UTF-8 in strings becomes U+FFFD: never throws.
std::string dump(const Json& value, int indent = -1);

// Getters. `path` is dotted keys and array indexes: "call.events.0.name"; keys with a dot cannot be
// named. A missing value and null are the same. Errors are Errc::invalid_argument: "call.to must be
// a string, not a number".

/// The value at the path, or nullptr when it is missing or null. Borrowed from `document`.
const Json* find(const Json& document, std::string_view path);

Result<std::string> get_string(const Json& document, std::string_view path);
/// Whole numbers only; a number in a string is refused.
Result<std::int64_t> get_int(const Json& document, std::string_view path);
Result<double> get_number(const Json& document, std::string_view path);
Result<bool> get_bool(const Json& document, std::string_view path);
Result<Json> get_object(const Json& document, std::string_view path);
Result<Json> get_array(const Json& document, std::string_view path);

/// As above, but a missing value is `fallback`; a value of another type is still an error.
Result<std::string> get_string_or(const Json& document, std::string_view path,
                                  std::string_view fallback);
Result<std::int64_t> get_int_or(const Json& document, std::string_view path, std::int64_t fallback);
Result<double> get_number_or(const Json& document, std::string_view path, double fallback);
Result<bool> get_bool_or(const Json& document, std::string_view path, bool fallback);

}  // namespace call::json
