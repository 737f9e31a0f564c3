// Streaming sample-rate conversion (speexdsp).
#pragma once

#include <cstddef>
#include <memory>

#include "core/audio/format.hpp"

namespace call::audio {

/// Converts one continuous mono stream between two fixed rates. One thread at a time. Output may
/// lag the input by the filter's length (quality 3: 3 ms, quality 5: 5 ms); the first samples out
/// are not padded with that lag.
class Resampler {
 public:
  /// Rates in Hz, 1000 to 192000; quality 0 (rough) to 10.
  Resampler(int from_hz, int to_hz, int quality = 4);
  Resampler(Resampler&&) noexcept;
  Resampler& operator=(Resampler&&) noexcept;
  ~Resampler();

  /// Converts all of `in` and appends the samples that are ready to `out`.
  void push(PcmView in, Pcm& out);
  /// Appends the tail that the filter still holds, so that all the output together lasts as long as
  /// the input (to the sample), then forgets the stream.
  void finish(Pcm& out);
  void reset() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The whole of a recording at once.
Pcm resample(PcmView in, int from_hz, int to_hz, int quality = 5);

}  // namespace call::audio
