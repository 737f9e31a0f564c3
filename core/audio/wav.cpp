// The writer: bytes are collected in memory and handed to the kernel every `sync_every` samples
// together with a header that counts them, data first. A process that dies therefore leaves a
// header that promises no more than the file holds; the reader in turn trusts the file's length
// more than the header.
#include "core/audio/wav.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/audio/g711.hpp"
#include "core/base/assert.hpp"
#include "core/base/files.hpp"
#include "core/base/scope_exit.hpp"

namespace call::audio {
namespace {

constexpr std::uint16_t kFormatPcm = 1;
constexpr std::uint16_t kFormatMulaw = 7;
constexpr std::uint64_t kMostBytes = 0xFFFF0000U;  // the format's sizes are 32 bits

void put16(std::string& out, std::uint16_t value) {
  out.push_back(static_cast<char>(value & 0xFF));
  out.push_back(static_cast<char>(value >> 8));
}

void put32(std::string& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value & 0xFFFF));
  put16(out, static_cast<std::uint16_t>(value >> 16));
}

std::uint16_t get16(std::string_view bytes, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<unsigned>(static_cast<std::uint8_t>(bytes[i]));
  };
  return static_cast<std::uint16_t>(byte(at) | byte(at + 1) << 8);
}

std::uint32_t get32(std::string_view bytes, std::size_t at) {
  return get16(bytes, at) | static_cast<std::uint32_t>(get16(bytes, at + 2)) << 16;
}

std::size_t bytes_per_sample(const WavFormat& format) {
  const std::size_t one = format.encoding == WavEncoding::mulaw ? 1 : 2;
  return one * static_cast<std::size_t>(format.channels);
}

std::string header(const WavFormat& format, std::uint64_t samples) {
  const bool mulaw = format.encoding == WavEncoding::mulaw;
  const auto block = static_cast<std::uint16_t>(bytes_per_sample(format));
  const auto data = static_cast<std::uint32_t>(std::min(samples * block, kMostBytes));
  const auto rate = static_cast<std::uint32_t>(format.sample_rate);
  std::string out = "RIFF";
  // A format other than PCM has an extension field and a "fact" chunk.
  put32(out, data + (mulaw ? 50 : 36));
  out += "WAVEfmt ";
  put32(out, mulaw ? 18 : 16);
  put16(out, mulaw ? kFormatMulaw : kFormatPcm);
  put16(out, static_cast<std::uint16_t>(format.channels));
  put32(out, rate);
  put32(out, rate * block);
  put16(out, block);
  put16(out, mulaw ? 8 : 16);
  if (mulaw) {
    put16(out, 0);
    out += "fact";
    put32(out, 4);
    put32(out, static_cast<std::uint32_t>(std::min<std::uint64_t>(samples, UINT32_MAX)));
  }
  out += "data";
  put32(out, data);
  return out;
}

void append_samples(std::string& out, const WavFormat& format, PcmView interleaved) {
  if (format.encoding == WavEncoding::pcm16 && std::endian::native == std::endian::little) {
    out.append(reinterpret_cast<const char*>(interleaved.data()), interleaved.size_bytes());
    return;
  }
  for (const std::int16_t sample : interleaved) {
    if (format.encoding == WavEncoding::mulaw) {
      out.push_back(static_cast<char>(mulaw_encode(sample)));
    } else {
      put16(out, static_cast<std::uint16_t>(sample));
    }
  }
}

Error disk_error(std::string_view what) {
  const Errc code = errno == EACCES   ? Errc::permission
                    : errno == ENOENT ? Errc::not_found
                                      : Errc::io;
  return Error{code, std::string(what) + ": " + std::strerror(errno)};
}

Status write_at(int fd, std::string_view bytes, off_t at) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return disk_error("writing a WAV file");
    bytes.remove_prefix(static_cast<std::size_t>(n));
    at += n;
  }
  return {};
}

}  // namespace

WavWriter::WavWriter(int fd, const WavFormat& format, std::uint64_t sync_every)
    : fd_(fd), format_(format), sync_every_(std::max<std::uint64_t>(sync_every, 1)) {}

WavWriter::WavWriter(WavWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      format_(other.format_),
      sync_every_(other.sync_every_),
      samples_(other.samples_),
      synced_samples_(other.synced_samples_),
      buffer_(std::move(other.buffer_)) {}

WavWriter& WavWriter::operator=(WavWriter&& other) noexcept {
  if (this == &other) return *this;
  static_cast<void>(close());
  fd_ = std::exchange(other.fd_, -1);
  format_ = other.format_;
  sync_every_ = other.sync_every_;
  samples_ = other.samples_;
  synced_samples_ = other.synced_samples_;
  buffer_ = std::move(other.buffer_);
  return *this;
}

WavWriter::~WavWriter() {
  static_cast<void>(close());
}

Result<WavWriter> WavWriter::create(const std::filesystem::path& path, const WavFormat& format,
                                    std::uint64_t sync_every) {
  CALL_ASSERT(format.channels == 1 || format.channels == 2);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return disk_error("cannot create " + path.string());
  WavWriter writer(fd, format, sync_every);
  CALL_CHECK(write_at(fd, header(format, 0), 0));
  return writer;
}

Status WavWriter::write(PcmView mono) {
  CALL_ASSERT(format_.channels == 1);
  return append(mono);
}

Status WavWriter::write(PcmView left, PcmView right) {
  CALL_ASSERT(format_.channels == 2);
  const std::size_t n = std::max(left.size(), right.size());
  Pcm both(n * 2);
  for (std::size_t i = 0; i < left.size(); ++i) both[i * 2] = left[i];
  for (std::size_t i = 0; i < right.size(); ++i) both[i * 2 + 1] = right[i];
  return append(both);
}

Status WavWriter::append(PcmView interleaved) {
  if (fd_ < 0) return Error{Errc::closed, "the WAV file is closed"};
  const std::uint64_t added = interleaved.size() / static_cast<std::uint64_t>(format_.channels);
  if ((samples_ + added) * bytes_per_sample(format_) > kMostBytes) {
    return Error{Errc::limit, "a WAV file cannot hold more than 4 GiB"};
  }
  append_samples(buffer_, format_, interleaved);
  samples_ += added;
  return samples_ - synced_samples_ >= sync_every_ ? sync() : Status{};
}

Status WavWriter::sync() {
  if (fd_ < 0) return {};
  const Status done = flush();
  if (!done) {  // a hole in a recording must not be papered over by later writes
    ::close(std::exchange(fd_, -1));
  }
  return done;
}

Status WavWriter::flush() {
  const std::string head = header(format_, samples_);
  const std::uint64_t at = head.size() + synced_samples_ * bytes_per_sample(format_);
  CALL_CHECK(write_at(fd_, buffer_, static_cast<off_t>(at)));
  CALL_CHECK(write_at(fd_, head, 0));
  std::string().swap(buffer_);  // a thousand calls would keep as many buffers
  synced_samples_ = samples_;
  return {};
}

Status WavWriter::close() {
  if (fd_ < 0) return {};
  CALL_CHECK(sync());
  const int fd = std::exchange(fd_, -1);
  const bool flushed = ::fsync(fd) == 0;
  const Status status = flushed ? Status{} : Status{disk_error("fsync of a WAV file")};
  ::close(fd);
  return status;
}

Pcm Wav::channel(int index) const {
  const auto channels = static_cast<std::size_t>(format.channels);
  Pcm out;
  out.reserve(samples.size() / channels);
  for (auto i = static_cast<std::size_t>(index); i < samples.size(); i += channels) {
    out.push_back(samples[i]);
  }
  return out;
}

namespace {

Result<WavFormat> parse_format(std::string_view chunk) {
  if (chunk.size() < 16) return Error{Errc::protocol, "WAV: the format chunk is cut short"};
  WavFormat format;
  const std::uint16_t tag = get16(chunk, 0);
  const std::uint16_t bits = get16(chunk, 14);
  format.channels = get16(chunk, 2);
  const std::uint32_t rate = get32(chunk, 4);
  if (tag == kFormatMulaw && bits == 8) {
    format.encoding = WavEncoding::mulaw;
  } else if (tag != kFormatPcm || bits != 16) {
    return Error{Errc::protocol, "WAV: only 16-bit PCM and mu-law are understood"};
  }
  if (format.channels < 1 || format.channels > 2) {
    return Error{Errc::protocol, "WAV: only one or two channels are understood"};
  }
  if (rate < 1000 || rate > 192000) return Error{Errc::protocol, "WAV: impossible sample rate"};
  format.sample_rate = static_cast<int>(rate);
  return format;
}

Pcm decode_data(const WavFormat& format, std::string_view data) {
  const std::size_t block = bytes_per_sample(format);
  data = data.substr(0, data.size() / block * block);
  Pcm out;
  if (format.encoding == WavEncoding::mulaw) {
    out.reserve(data.size());
    for (const char c : data) out.push_back(mulaw_decode(static_cast<std::uint8_t>(c)));
  } else {
    out.reserve(data.size() / 2);
    for (std::size_t i = 0; i < data.size(); i += 2) {
      out.push_back(static_cast<std::int16_t>(get16(data, i)));
    }
  }
  return out;
}

}  // namespace

Result<Wav> parse_wav(std::string_view bytes) {
  if (bytes.size() < 12 || bytes.substr(0, 4) != "RIFF" || bytes.substr(8, 4) != "WAVE") {
    return Error{Errc::protocol, "not a WAV file"};
  }
  Wav wav;
  bool have_format = false;
  std::size_t at = 12;
  while (at + 8 <= bytes.size()) {
    const std::string_view id = bytes.substr(at, 4);
    const std::size_t declared = get32(bytes, at + 4);
    const std::string_view body = bytes.substr(at + 8, declared);
    if (id == "fmt ") {
      CALL_TRY(wav.format, parse_format(body));
      have_format = true;
    } else if (id == "data") {
      if (!have_format) return Error{Errc::protocol, "WAV: data before its format"};
      wav.samples = decode_data(wav.format, body);
      return wav;
    }
    at += 8 + declared + (declared & 1U);
  }
  return Error{Errc::protocol, "WAV: no data chunk"};
}

Result<Wav> read_wav(const std::filesystem::path& path, std::size_t max_bytes) {
  CALL_TRY(const std::string bytes, read_file(path, max_bytes));
  return parse_wav(bytes).with_context(path.string());
}

std::string encode_wav(const WavFormat& format, PcmView interleaved) {
  const auto samples = interleaved.size() / static_cast<std::size_t>(format.channels);
  std::string out = header(format, samples);
  out.reserve(out.size() + samples * bytes_per_sample(format));
  append_samples(out, format, interleaved);
  return out;
}

Status silence(const std::filesystem::path& path, int channel, std::int64_t from, std::int64_t to) {
  constexpr std::size_t kHeader = 44;
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return disk_error("cannot open " + path.string());
  const ScopeExit closes([fd] { ::close(fd); });
  std::string head(kHeader, '\0');
  if (::pread(fd, head.data(), kHeader, 0) != static_cast<ssize_t>(kHeader) ||
      head.substr(36, 4) != "data" || get16(head, 20) != kFormatPcm) {
    return Error{Errc::protocol, path.string() + " is not a recording of ours"};
  }
  const auto channels = get16(head, 22);
  const std::size_t block = 2U * channels;
  const auto samples = static_cast<std::int64_t>(get32(head, 40) / block);
  from = std::clamp<std::int64_t>(from, 0, samples);
  to = std::clamp<std::int64_t>(to, from, samples);
  std::string bytes(static_cast<std::size_t>(to - from) * block, '\0');
  const auto at = static_cast<off_t>(kHeader + static_cast<std::size_t>(from) * block);
  if (::pread(fd, bytes.data(), bytes.size(), at) != static_cast<ssize_t>(bytes.size())) {
    return disk_error("reading " + path.string());
  }
  for (std::size_t i = static_cast<std::size_t>(channel) * 2; i + 1 < bytes.size(); i += block) {
    bytes[i] = bytes[i + 1] = '\0';
  }
  return write_at(fd, bytes, at);
}

Status write_wav(const std::filesystem::path& path, PcmView pcm, int sample_rate) {
  CALL_TRY(auto writer,
           WavWriter::create(path, {WavEncoding::pcm16, 1, sample_rate}, pcm.size() + 1));
  CALL_CHECK(writer.write(pcm));
  return writer.close();
}

}  // namespace call::audio
