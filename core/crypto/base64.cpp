// Written by hand because OpenSSL's codec skips white space and cannot tell padding from data, and
// because every audio frame of every call goes through here twice.
#include "core/crypto/base64.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace call::crypto {
namespace {

constexpr std::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kInvalid = 0xff;

using Table = std::array<std::uint8_t, 256>;

constexpr Table invert(std::string_view alphabet) {
  Table table{};
  for (auto& entry : table) entry = kInvalid;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}

constexpr Table kStandardTable = invert(kStandard);
constexpr Table kUrlTable = invert(kUrl);

std::uint32_t byte_at(std::string_view bytes, std::size_t i) {
  return static_cast<unsigned char>(bytes[i]);
}

void encode(std::string& out, std::string_view bytes, std::string_view alphabet, bool pad) {
  std::size_t at = out.size();
  const std::size_t full = bytes.size() / 3;
  const std::size_t rest = bytes.size() % 3;
  out.resize(at + full * 4 + (rest == 0 ? 0 : pad ? 4 : rest + 1), '=');
  const auto put = [&](std::uint32_t value, std::size_t digits) {
    for (std::size_t d = 0; d < digits; ++d) out[at++] = alphabet[(value >> (18 - 6 * d)) & 63];
  };
  std::size_t i = 0;
  for (; i < full * 3; i += 3) {
    put(byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8 | byte_at(bytes, i + 2), 4);
  }
  if (rest == 1) put(byte_at(bytes, i) << 16, 2);
  if (rest == 2) put(byte_at(bytes, i) << 16 | byte_at(bytes, i + 1) << 8, 3);
}

// `text` without padding.
bool decode(std::string& out, std::string_view text, const Table& table) {
  const std::size_t rest = text.size() % 4;
  if (rest == 1) return false;
  out.resize(text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1));
  std::size_t at = 0;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const std::size_t digits = text.size() - i < 4 ? rest : 4;
    std::uint32_t value = 0;
    std::uint8_t seen = 0;
    for (std::size_t d = 0; d < digits; ++d) {
      const std::uint8_t digit = table[byte_at(text, i + d)];
      seen |= digit;
      value |= static_cast<std::uint32_t>(digit & 63) << (18 - 6 * d);
    }
    if ((seen & 0xc0) != 0) return false;
    for (std::size_t b = 0; b + 1 < digits; ++b) {
      out[at++] = static_cast<char>(value >> (16 - 8 * b) & 0xff);
    }
    if (digits < 4 && (value << (8 * (digits - 1)) & 0xffffff) != 0) return false;
  }
  return true;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  encode(out, bytes, kStandard, true);
  return out;
}

void base64_append(std::string& out, std::string_view bytes) {
  encode(out, bytes, kStandard, true);
}

bool base64_decode_into(std::string& out, std::string_view text) {
  if (text.size() % 4 != 0) return false;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  return decode(out, text, kStandardTable);
}

std::optional<std::string> base64_decode(std::string_view text) {
  std::string out;
  if (!base64_decode_into(out, text)) return std::nullopt;
  return out;
}

std::string base64url_encode(std::string_view bytes) {
  std::string out;
  encode(out, bytes, kUrl, false);
  return out;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  std::string out;
  if (!decode(out, text, kUrlTable)) return std::nullopt;
  return out;
}

}  // namespace call::crypto
