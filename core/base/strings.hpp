// Small text helpers that the standard library lacks. Pure, locale-free, UTF-8 in and out.
#pragma once

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace call {

std::string_view trim(std::string_view text);  ///< ASCII white space off both ends
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string to_lower_ascii(std::string_view text);
std::string replace_all(std::string text, std::string_view from, std::string_view to);
bool is_valid_utf8(std::string_view text);
/// Invalid bytes become U+FFFD; for text from outside that must be stored or shown.
std::string to_valid_utf8(std::string_view text);
/// At most `max_bytes` bytes, cut at a character boundary.
std::string_view truncate_utf8(std::string_view text, std::size_t max_bytes);

/// The whole text as a number, or nullopt.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  static_assert(std::is_arithmetic_v<T>);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace call
