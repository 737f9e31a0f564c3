// WAV files. The writer is made for recordings of live calls: it appends as the call goes on, and
// what is on disk is a playable file at any moment up to the last sync, whatever happens to the
// process. Blocks on the disk: never on a loop thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "core/audio/format.hpp"
#include "core/base/result.hpp"

namespace call::audio {

enum class WavEncoding { pcm16, mulaw };

struct WavFormat {
  WavEncoding encoding = WavEncoding::pcm16;
  int channels = 1;  ///< 1 or 2; track order is left, right
  int sample_rate = kSampleRate;
};

/// One file being written; one thread at a time. Errors stay: after a failed write all later ones
/// fail too.
class WavWriter {
 public:
  /// Creates or truncates the file and writes its header. `sync_every`: samples a channel between
  /// header updates.
  static Result<WavWriter> create(const std::filesystem::path& path, const WavFormat& format,
                                  std::uint64_t sync_every = 2 * kSampleRate);
  WavWriter(WavWriter&& other) noexcept;
  WavWriter& operator=(WavWriter&& other) noexcept;
  /// Closes without reporting errors; call close() to hear of them.
  ~WavWriter();

  /// Mono only: appends samples.
  Status write(PcmView mono);
  /// Two channels only: the shorter side is padded with silence.
  Status write(PcmView left, PcmView right);
  /// Writes what is buffered and brings the header up to date (no fsync).
  Status sync();
  /// sync() + fsync + close. A second call does nothing.
  Status close();

  std::uint64_t samples() const noexcept { return samples_; }  ///< a channel
  /// Of these, those that the file holds.
  std::uint64_t synced_samples() const noexcept { return synced_samples_; }

 private:
  WavWriter(int fd, const WavFormat& format, std::uint64_t sync_every);
  Status append(PcmView interleaved);
  Status flush();

  int fd_ = -1;
  WavFormat format_;
  std::uint64_t sync_every_;
  std::uint64_t samples_ = 0;
  std::uint64_t synced_samples_ = 0;
  std::string buffer_;  ///< encoded bytes not yet handed to the kernel
};

struct Wav {
  WavFormat format;
  Pcm samples;  ///< interleaved, always 16-bit linear
  Pcm channel(int index) const;
};

/// Parses PCM16 and mu-law files of 1 or 2 channels; pure. A header that promises more data than
/// there is (a writer that died) is accepted: what is there is returned. Errc::protocol for
/// anything else.
Result<Wav> parse_wav(std::string_view bytes);
Result<Wav> read_wav(const std::filesystem::path& path, std::size_t max_bytes = 256U << 20);
/// A whole file in memory; the samples are interleaved. Pure.
std::string encode_wav(const WavFormat& format, PcmView interleaved);
/// Overwrites samples [from, to) of one channel of a PCM16 file of WavWriter's with silence; what
/// lies beyond its end is nothing. Idempotent. Blocks.
Status silence(const std::filesystem::path& path, int channel, std::int64_t from, std::int64_t to);
/// A whole mono PCM16 file at once.
Status write_wav(const std::filesystem::path& path, PcmView pcm, int sample_rate = kSampleRate);

}  // namespace call::audio
