// DTMF (ITU-T Q.23/Q.24): tones to send in band, and a detector for tones in the caller's audio.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

#include "core/audio/format.hpp"

namespace call::audio {

bool is_dtmf(char digit) noexcept;  ///< 0-9 * # A-D
/// `digits` as tones with pauses between them, at about -10 dBov a tone pair. Other characters are
/// a pause.
Pcm dtmf_tones(std::string_view digits,
               std::chrono::milliseconds tone = std::chrono::milliseconds(100),
               std::chrono::milliseconds pause = std::chrono::milliseconds(80));

/// Goertzel detector over windows of 20 ms. A digit is reported once, when it was heard in two
/// windows running; twist, second harmonics and the share of the energy in the pair keep speech
/// from being taken for keys.
class DtmfDetector {
 public:
  /// One frame of audio in; '\0' or the key that has just been recognised.
  char push(const PcmFrame& frame) noexcept;

 private:
  char last_ = '\0';
  int windows_ = 0;
};

}  // namespace call::audio
