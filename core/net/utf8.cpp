#include "core/net/utf8.hpp"

#include <cstring>

namespace call::net {
namespace {

bool eight_are_ascii(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return (word & 0x8080808080808080U) == 0;
}

}  // namespace

// The ranges of the Unicode standard's table of well-formed sequences: only the first continuation
// byte is ever restricted further than 80..BF.
bool Utf8Check::push(std::string_view bytes) noexcept {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (!broken_ && at != end) {
    if (wanted_ == 0 && end - at >= 8 && eight_are_ascii(at)) {
      at += 8;
      continue;
    }
    const auto byte = static_cast<std::uint8_t>(*at++);
    if (wanted_ > 0) {
      if (byte < least_ || byte > most_) broken_ = true;
      least_ = 0x80;
      most_ = 0xBF;
      --wanted_;
    } else if (byte >= 0xC2 && byte <= 0xDF) {
      wanted_ = 1;
    } else if (byte >= 0xE0 && byte <= 0xEF) {
      wanted_ = 2;
      if (byte == 0xE0) least_ = 0xA0;
      if (byte == 0xED) most_ = 0x9F;
    } else if (byte >= 0xF0 && byte <= 0xF4) {
      wanted_ = 3;
      if (byte == 0xF0) least_ = 0x90;
      if (byte == 0xF4) most_ = 0x8F;
    } else if (byte >= 0x80) {
      broken_ = true;
    }
  }
  return !broken_;
}

}  // namespace call::net
