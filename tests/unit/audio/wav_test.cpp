#include "core/audio/wav.hpp"

#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <string>

#include "core/audio/g711.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/scope_exit.hpp"

using namespace call;
using namespace call::audio;

namespace {

std::filesystem::path temp_wav() {
  return std::filesystem::temp_directory_path() / ("calld-wav-test-" + random_hex(6) + ".wav");
}

Pcm ramp(std::size_t n, int step) {
  Pcm out(n);
  for (std::size_t i = 0; i < n; ++i) {
    out[i] = static_cast<std::int16_t>((static_cast<int>(i) * step) % 30000);
  }
  return out;
}

}  // namespace

TEST_CASE("audio.wav: two tracks come back as written") {
  const auto path = temp_wav();
  const ScopeExit remove([&] { std::filesystem::remove(path); });
  const auto encoding = GENERATE(WavEncoding::pcm16, WavEncoding::mulaw);
  const Pcm left = ramp(1000, 31);
  const Pcm right = ramp(900, -17);
  {
    auto writer = WavWriter::create(path, {encoding, 2, 8000});
    REQUIRE(writer.ok());
    REQUIRE(writer->write(PcmView(left).first(400), PcmView(right).first(400)).ok());
    REQUIRE(writer->write(PcmView(left).subspan(400), PcmView(right).subspan(400)).ok());
    CHECK(writer->samples() == 1000);
    REQUIRE(writer->close().ok());
  }
  const auto wav = read_wav(path);
  REQUIRE(wav.ok());
  CHECK(wav->format.channels == 2);
  CHECK(wav->format.sample_rate == 8000);
  Pcm expected = right;
  expected.resize(1000, 0);
  const auto coded = [&](const Pcm& pcm) {
    return encoding == WavEncoding::pcm16 ? pcm
                                          : mulaw_decode(MulawView(mulaw_encode(PcmView(pcm))));
  };
  CHECK(wav->channel(0) == coded(left));
  CHECK(wav->channel(1) == coded(expected));
}

TEST_CASE("audio.wav: a writer that is killed leaves a playable file up to the last sync") {
  const auto path = temp_wav();
  const ScopeExit remove([&] { std::filesystem::remove(path); });
  const Pcm pcm = ramp(5500, 3);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto writer = WavWriter::create(path, {}, 1000);
    bool ok = writer.ok();
    for (std::size_t i = 0; ok && i < pcm.size(); i += 160) {
      ok = writer->write(PcmView(pcm).subspan(i, std::min<std::size_t>(160, pcm.size() - i))).ok();
    }
    ::_exit(ok ? 0 : 1);  // no destructor, no close
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
  const auto wav = read_wav(path);
  REQUIRE(wav.ok());
  CHECK(wav->samples.size() >= 4480);  // at most one interval of 1000, in frames of 160, is lost
  CHECK(wav->samples ==
        Pcm(pcm.begin(), pcm.begin() + static_cast<std::ptrdiff_t>(wav->samples.size())));
}

TEST_CASE("audio.wav: a header that promises too much is read as far as the data goes") {
  const auto path = temp_wav();
  const ScopeExit remove([&] { std::filesystem::remove(path); });
  REQUIRE(write_wav(path, ramp(500, 7)).ok());
  std::string bytes = *read_file(path);
  bytes.resize(44 + 301);  // cut inside a sample
  const auto wav = parse_wav(bytes);
  REQUIRE(wav.ok());
  CHECK(wav->samples.size() == 150);
}

TEST_CASE("audio.wav: what is no WAV is refused with a reason, at any length") {
  const auto path = temp_wav();
  const ScopeExit remove([&] { std::filesystem::remove(path); });
  REQUIRE(write_wav(path, ramp(10, 7)).ok());
  const std::string bytes = *read_file(path);
  for (std::size_t n = 0; n < 44; ++n) {
    const auto wav = parse_wav(bytes.substr(0, n));
    CHECK((!wav.ok() && wav.error().code == Errc::protocol));
  }
  std::string stereo24 = bytes;
  stereo24[34] = 24;
  CHECK_FALSE(parse_wav(stereo24).ok());
  CHECK(read_wav("/nonexistent/x.wav").error().code == Errc::not_found);
  CHECK_FALSE(WavWriter::create("/nonexistent/x.wav", {}).ok());
}

TEST_CASE("audio.wav: after close nothing more can be written") {
  const auto path = temp_wav();
  const ScopeExit remove([&] { std::filesystem::remove(path); });
  auto writer = WavWriter::create(path, {});
  REQUIRE(writer.ok());
  REQUIRE(writer->close().ok());
  CHECK(writer->close().ok());
  CHECK(writer->write(ramp(10, 1)).error().code == Errc::closed);
}
