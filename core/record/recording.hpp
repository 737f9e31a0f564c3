// The dual-track recording of one call, placed by sample count and never by the wall clock: each
// track is a file of raw mu-law at 8 kHz while the call lasts, and finish() interleaves the two
// into audio.wav (16-bit PCM, stereo, 8 kHz; left = the callee, right = what the callee heard of
// the agent). The blocking side of the media server's spool thread: one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>

#include "core/base/result.hpp"

namespace call::record {

enum class Track { callee, agent };

class Recording {
 public:
  /// Creates the folder (and its parents) and the two raw files.
  static Result<Recording> create(const std::filesystem::path& folder);

  Recording(Recording&& other) noexcept;
  Recording& operator=(Recording&&) = delete;
  ~Recording();

  /// Puts mu-law samples at `position` (samples from the call's start). A gap before it becomes
  /// silence, samples that overlap what is there already are left out. More than kMaxSamples a
  /// track is Errc::limit.
  Status append(Track track, std::int64_t position, std::span<const std::uint8_t> mulaw);
  /// Writes audio.wav, fsyncs it and removes the raw files. The shorter track is padded with
  /// silence.
  Status finish();

  static constexpr std::int64_t kMaxSamples = 4LL * 3600 * 8000;  ///< four hours

 private:
  Recording(std::filesystem::path folder, std::array<int, 2> fds);

  std::filesystem::path folder_;
  std::array<int, 2> fds_;
  std::array<std::int64_t, 2> written_{};  ///< samples in each raw file
};

}  // namespace call::record
