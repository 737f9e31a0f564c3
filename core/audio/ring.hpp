// The last moments of a stream, kept so that the start of a word, heard before the detector was
// sure, is not lost.
#pragma once

#include <cstddef>

#include "core/audio/format.hpp"

namespace call::audio {

/// Fixed-size history of samples. No allocation after construction; one thread.
class PreRoll {
 public:
  /// `span` is rounded up to one sample at least.
  explicit PreRoll(std::chrono::milliseconds span);

  /// Appends, forgetting the oldest samples.
  void push(PcmView pcm) noexcept;
  /// Appends the history to `out`, oldest first, at most the last `limit` of it, and empties it.
  void drain_into(Pcm& out, std::chrono::milliseconds limit = std::chrono::milliseconds::max());
  void clear() noexcept { size_ = 0; }
  std::size_t size() const noexcept { return size_; }  ///< samples

 private:
  Pcm buffer_;
  std::size_t next_ = 0;
  std::size_t size_ = 0;
};

}  // namespace call::audio
