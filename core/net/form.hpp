// Percent encoding and application/x-www-form-urlencoded, in both directions. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"

namespace call::net {

/// Names and values in the order sent; a name may come more than once (Twilio's StatusCallbackEvent
/// does).
using Params = std::vector<std::pair<std::string, std::string>>;

/// Everything but RFC 3986's unreserved characters becomes %XX: right for a path segment and for a
/// query value.
std::string percent_encode(std::string_view text);
/// nullopt when a "%" is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

std::string encode_form(const Params& params);  ///< a space becomes "+"
/// Bodies and query strings. Errc::invalid_argument for bad escapes, Errc::limit above max_params.
Result<Params> decode_form(std::string_view text, std::size_t max_params = 1000);

/// The first value of that name, or nullptr.
const std::string* find_param(const Params& params, std::string_view name);
/// The first value of that name, or "".
std::string_view param_or_empty(const Params& params, std::string_view name);

}  // namespace call::net
