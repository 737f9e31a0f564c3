// Is a stream of bytes UTF-8? Fed piece by piece, as a WebSocket's text arrives. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace call::net {

class Utf8Check {
 public:
  /// False at the first byte that cannot be part of UTF-8, surrogates and overlong forms included; false ever after.
  bool push(std::string_view bytes) noexcept;
  /// No character is half finished.
  bool complete() const noexcept { return wanted_ == 0; }
  void reset() noexcept { *this = Utf8Check(); }

 private:
  std::uint8_t wanted_ = 0;    ///< continuation bytes of the open character
  std::uint8_t least_ = 0x80;  ///< of the next continuation byte
  std::uint8_t most_ = 0xBF;
  bool broken_ = false;
};

}  // namespace call::net
