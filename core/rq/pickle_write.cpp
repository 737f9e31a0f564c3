#include <bit>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/rq/pickle.hpp"

namespace call::rq {
namespace {

void put_little_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>((value >> (8 * i)) & 0xFF);
}

void put_integer(std::string& out, std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  if (value >= 0 && value <= 0xFF) {
    out += 'K';
    put_little_endian(out, bits, 1);
  } else if (value >= std::numeric_limits<std::int32_t>::min() &&
             value <= std::numeric_limits<std::int32_t>::max()) {
    out += 'J';
    put_little_endian(out, bits, 4);
  } else {
    out += "\x8a\x08";  // LONG1 of 8 bytes
    put_little_endian(out, bits, 8);
  }
}

void put_unsigned(std::string& out, std::uint64_t value) {
  if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    put_integer(out, static_cast<std::int64_t>(value));
    return;
  }
  out += "\x8a\x09";  // LONG1 of 9 bytes: the top bit would be the sign
  put_little_endian(out, value, 8);
  out += '\0';
}

void put_real(std::string& out, double value) {
  out += 'G';
  const auto bits = std::bit_cast<std::uint64_t>(value);
  for (int i = 7; i >= 0; --i) out += static_cast<char>((bits >> (8 * i)) & 0xFF);
}

void put_sized(std::string& out, std::string_view bytes, char small, char medium, char large) {
  if (bytes.size() <= 0xFF) {
    out += small;
    put_little_endian(out, bytes.size(), 1);
  } else if (bytes.size() <= 0xFFFFFFFF) {
    out += medium;
    put_little_endian(out, bytes.size(), 4);
  } else {
    out += large;
    put_little_endian(out, bytes.size(), 8);
  }
  out += bytes;
}

void put_text(std::string& out, std::string_view text) {
  if (is_valid_utf8(text)) {
    put_sized(out, text, '\x8c', 'X', '\x8d');
  } else {
    put_sized(out, to_valid_utf8(text), '\x8c', 'X', '\x8d');
  }
}

void put(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
    case Json::value_t::discarded:
      out += 'N';
      return;
    case Json::value_t::boolean:
      out += value.get<bool>() ? '\x88' : '\x89';
      return;
    case Json::value_t::number_integer:
      return put_integer(out, value.get<std::int64_t>());
    case Json::value_t::number_unsigned:
      return put_unsigned(out, value.get<std::uint64_t>());
    case Json::value_t::number_float:
      return put_real(out, value.get<double>());
    case Json::value_t::string:
      return put_text(out, value.get_ref<const std::string&>());
    case Json::value_t::binary: {
      const auto& bytes = value.get_binary();
      return put_sized(out, std::string(bytes.begin(), bytes.end()), 'C', 'B', '\x8e');
    }
    case Json::value_t::array:
      out += "](";
      for (const Json& item : value) put(out, item);
      out += 'e';
      return;
    case Json::value_t::object:
      out += "}(";
      for (const auto& [key, item] : value.items()) {
        put_text(out, key);
        put(out, item);
      }
      out += 'u';
      return;
  }
}

constexpr std::string_view kProtocol4 = "\x80\x04";

}  // namespace

std::string pickle(const Json& value) {
  std::string out(kProtocol4);
  put(out, value);
  out += '.';
  return out;
}

std::string extend_pickle(std::string_view bytes, const std::map<std::string, Json>& keys) {
  std::string out(bytes.substr(0, bytes.rfind('.')));  // the STOP; the dictionary is on the stack
  for (const auto& [key, value] : keys) {
    put_text(out, key);
    put(out, value);
    out += 's';
  }
  out += '.';
  return out;
}

std::string pickle_call(std::string_view function, const Json& args, const Json& kwargs) {
  std::string out(kProtocol4);
  out += '(';
  put_text(out, function);
  out += 'N';
  out += '(';
  for (const Json& item : args) put(out, item);
  out += 't';
  put(out, kwargs);
  out += "t.";
  return out;
}

}  // namespace call::rq
