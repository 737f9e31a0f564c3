// What Redis answered, as a plain value. RESP2: strings are bytes, not text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace call::redis {

struct Reply {
  enum class Type : std::uint8_t { nil, status, integer, string, array, error };

  Type type = Type::nil;
  std::int64_t integer = 0;
  std::string text;  ///< status, string, error
  std::vector<Reply> items;

  bool is_nil() const { return type == Type::nil; }
  bool is_error() const { return type == Type::error; }
};

/// The texts of an array of strings (anything that is not text becomes an empty string).
std::vector<std::string> texts(const Reply& reply);

}  // namespace call::redis
