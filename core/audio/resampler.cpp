#include "core/audio/resampler.hpp"

#include <speex/speex_resampler.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "core/base/assert.hpp"

namespace call::audio {
namespace {

struct Destroy {
  void operator()(SpeexResamplerState* state) const { speex_resampler_destroy(state); }
};

}  // namespace

struct Resampler::Impl {
  std::unique_ptr<SpeexResamplerState, Destroy> state;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t in = 0;   ///< samples taken since reset
  std::uint64_t out = 0;  ///< samples given since reset

  void start() {
    speex_resampler_reset_mem(state.get());
    // Without this the stream would begin with half a filter's length of zeros.
    speex_resampler_skip_zeros(state.get());
    in = out = 0;
  }
  std::size_t ready_for(std::size_t samples) const { return samples * to / from + 2; }
};

Resampler::Resampler(int from_hz, int to_hz, int quality) : impl_(std::make_unique<Impl>()) {
  CALL_ASSERT(from_hz >= 1000 && from_hz <= 192000 && to_hz >= 1000 && to_hz <= 192000);
  CALL_ASSERT(quality >= 0 && quality <= 10);
  int error = RESAMPLER_ERR_SUCCESS;
  impl_->from = static_cast<std::uint64_t>(from_hz);
  impl_->to = static_cast<std::uint64_t>(to_hz);
  impl_->state.reset(speex_resampler_init(1, static_cast<spx_uint32_t>(from_hz),
                                          static_cast<spx_uint32_t>(to_hz), quality, &error));
  CALL_ASSERT(impl_->state != nullptr);  // it fails for want of memory only
  impl_->start();
}

Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;
Resampler::~Resampler() = default;

void Resampler::push(PcmView in, Pcm& out) {
  while (!in.empty()) {
    const std::size_t start = out.size();
    const std::size_t block = std::min<std::size_t>(in.size(), 1U << 16);
    const std::size_t room = impl_->ready_for(block);
    out.resize(start + room);
    auto taken = static_cast<spx_uint32_t>(block);
    auto given = static_cast<spx_uint32_t>(room);
    speex_resampler_process_int(impl_->state.get(), 0, in.data(), &taken, out.data() + start,
                                &given);
    out.resize(start + given);
    impl_->in += taken;
    impl_->out += given;
    in = in.subspan(taken);
  }
}

void Resampler::finish(Pcm& out) {
  const std::uint64_t whole = (impl_->in * impl_->to + impl_->from / 2) / impl_->from;
  const std::size_t begin = out.size();
  const auto missing = static_cast<std::size_t>(whole > impl_->out ? whole - impl_->out : 0);
  constexpr std::array<std::int16_t, 64> kZeros{};
  while (out.size() < begin + missing) push(kZeros, out);
  out.resize(begin + missing);
  impl_->start();
}

void Resampler::reset() noexcept {
  impl_->start();
}

Pcm resample(PcmView in, int from_hz, int to_hz, int quality) {
  if (from_hz == to_hz) return Pcm(in.begin(), in.end());
  Resampler resampler(from_hz, to_hz, quality);
  Pcm out;
  resampler.push(in, out);
  resampler.finish(out);
  return out;
}

}  // namespace call::audio
