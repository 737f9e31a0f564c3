// Silero VAD v6, the 8 kHz network (its "else" branch), computed without an inference library: a
// short-time Fourier transform written as a matrix, four small convolutions, one LSTM cell and a
// logistic output. Checked by its authors' measure only through the .onnx itself: the same weights,
// the same arithmetic, float throughout. Rejected: ONNX Runtime (40 MB of memory, not in Debian)
// for a network that takes 0.05 ms by hand.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "core/base/assert.hpp"
#include "core/speech/embedded.hpp"
#include "core/speech/onnx.hpp"
#include "core/speech/vad.hpp"

namespace call::speech {
namespace {

constexpr std::size_t kWindow = 256;  // new samples a step, 32 ms
constexpr std::size_t kContext = 32;  // of the window before
constexpr std::size_t kReflect = 32;  // mirrored at the end
constexpr std::size_t kFft = 128;     // samples of one transform
constexpr std::size_t kHop = 64;
constexpr std::size_t kBins = kFft / 2 + 1;
constexpr std::size_t kSteps = (kContext + kWindow + kReflect - kFft) / kHop + 1;
constexpr std::size_t kHidden = 128;
constexpr std::size_t kGates = 4 * kHidden;
static_assert(kSteps == 4);

struct Convolution {
  std::size_t in;
  std::size_t out;
  std::size_t stride;
};
constexpr std::array<Convolution, 4> kConvolutions{
    {{kBins, 128, 1}, {128, 64, 2}, {64, 64, 2}, {64, 128, 1}}};
constexpr std::size_t kTaps = 3;

// Everything a step calls is inlined into it, so that it is compiled twice: for any processor and
// for those with AVX2 and FMA.
#define CALL_KERNEL [[gnu::always_inline]] inline

using Lanes [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = float;
constexpr std::size_t kLanes = 8;

/// Four vectors of sums at once: one alone would wait for itself at every addition.
CALL_KERNEL float dot(const float* a, const float* b, std::size_t n) noexcept {
  Lanes sums[4] = {};
  std::size_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    for (std::size_t j = 0; j < 4; ++j) {
      sums[j] += *reinterpret_cast<const Lanes*>(a + i + j * kLanes) *
                 *reinterpret_cast<const Lanes*>(b + i + j * kLanes);
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
    sums[0] += *reinterpret_cast<const Lanes*>(a + i) * *reinterpret_cast<const Lanes*>(b + i);
  }
  float rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  const Lanes sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  return rest + (((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])));
}

/// e^x for |x| < 80: 2^n by the exponent's bits, the rest by a polynomial; off by 3e-7 at most of
/// its value. 640 of them are due every window.
CALL_KERNEL float quick_exp(float x) noexcept {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves the nearest integer
  const float clamped = std::min(std::max(x, -80.0F), 80.0F);
  const float shifted = clamped * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const auto scale = static_cast<std::uint32_t>(static_cast<std::int32_t>(n) + 127) << 23U;
  return p * std::bit_cast<float>(scale);
}

CALL_KERNEL float logistic(float x) noexcept {
  return 1.0F / (1.0F + quick_exp(-x));
}

CALL_KERNEL float hyperbolic_tangent(float x) noexcept {
  return 2.0F * logistic(2.0F * x) - 1.0F;
}

/// Moves out the first tensor of this shape.
std::vector<float> take(std::vector<Tensor>& tensors, const std::vector<std::int64_t>& shape) {
  const auto it = std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) {
    return t.shape == shape && !t.values.empty();
  });
  CALL_ASSERT(it != tensors.end());  // the file is ours, built in
  std::size_t size = 1;
  for (const std::int64_t d : shape) size *= static_cast<std::size_t>(d);
  CALL_ASSERT(it->values.size() == size);
  return std::exchange(it->values, {});
}

/// [out][in][tap] to [out][tap][in]: the inner loop then runs over neighbours in memory.
std::vector<float> by_tap(const std::vector<float>& weights, const Convolution& c) {
  std::vector<float> packed(weights.size());
  for (std::size_t o = 0; o < c.out; ++o) {
    for (std::size_t i = 0; i < c.in; ++i) {
      for (std::size_t k = 0; k < kTaps; ++k) {
        packed[(o * kTaps + k) * c.in + i] = weights[(o * c.in + i) * kTaps + k];
      }
    }
  }
  return packed;
}

}  // namespace

struct SileroModel::Weights {
  std::vector<float> basis;  ///< [2 * kBins][kFft], real rows then imaginary ones
  std::array<std::vector<float>, 4> kernel;
  std::array<std::vector<float>, 4> bias;
  std::vector<float> gates;      ///< [kGates][input | hidden]
  std::vector<float> gate_bias;  ///< [kGates]
  std::vector<float> output;     ///< [kHidden]
  float output_bias = 0;
};

struct SileroVad::State {
  std::array<float, kContext> context{};
  std::array<float, kHidden> hidden{};
  std::array<float, kHidden> cell{};
  std::array<float, kWindow> window{};
  std::size_t filled = 0;
  float probability = 0;
  std::size_t quiet = 0;  ///< windows in a row in which nothing was heard
};

namespace {

using Activations = std::array<float, kSteps * kHidden>;

/// Zero-padded by one step on both sides, then ReLU. Returns the number of steps out. The taps that
/// meet no padding are neighbours, in the kernel as in the input: one product.
CALL_KERNEL std::size_t convolve(const Convolution& c, const float* kernel, const float* bias,
                                 const float* in, std::size_t steps, Activations& out) noexcept {
  const std::size_t steps_out = (steps - 1) / c.stride + 1;
  for (std::size_t t = 0; t < steps_out; ++t) {
    const std::size_t centre = t * c.stride;
    const std::size_t first = centre == 0 ? 1 : 0;
    const std::size_t last = std::min(kTaps, steps + 1 - centre);  // behind the last tap
    const float* at = in + (centre + first - 1) * c.in;
    for (std::size_t o = 0; o < c.out; ++o) {
      const float* taps = kernel + (o * kTaps + first) * c.in;
      out[t * c.out + o] = std::max(bias[o] + dot(taps, at, (last - first) * c.in), 0.0F);
    }
  }
  return steps_out;
}

CALL_KERNEL std::array<float, kSteps * kBins> spectrum(const std::vector<float>& basis,
                                                       std::span<const float> samples) noexcept {
  std::array<float, kSteps * kBins> out{};
  for (std::size_t t = 0; t < kSteps; ++t) {
    const float* at = samples.data() + t * kHop;
    for (std::size_t k = 0; k < kBins; ++k) {
      const float re = dot(basis.data() + k * kFft, at, kFft);
      const float im = dot(basis.data() + (kBins + k) * kFft, at, kFft);
      out[t * kBins + k] = std::sqrt(re * re + im * im);
    }
  }
  return out;
}

}  // namespace

SileroModel::SileroModel(std::unique_ptr<const Weights> weights) : weights_(std::move(weights)) {}
SileroModel::~SileroModel() = default;

std::shared_ptr<const SileroModel> SileroModel::load() {
  auto tensors = branch_constants(embedded_silero_onnx(), "else_branch");
  auto w = std::make_unique<Weights>();
  w->basis = take(tensors, {2 * kBins, 1, kFft});
  for (std::size_t i = 0; i < kConvolutions.size(); ++i) {
    const auto& c = kConvolutions[i];
    const auto in = static_cast<std::int64_t>(c.in);
    const auto out = static_cast<std::int64_t>(c.out);
    w->kernel[i] = by_tap(take(tensors, {out, in, kTaps}), c);
    w->bias[i] = take(tensors, {out});
  }
  const auto from_input = take(tensors, {kGates, kHidden});
  const auto from_hidden = take(tensors, {kGates, kHidden});
  const auto input_bias = take(tensors, {kGates});
  const auto hidden_bias = take(tensors, {kGates});
  w->gates.resize(kGates * 2 * kHidden);
  w->gate_bias.resize(kGates);
  for (std::size_t g = 0; g < kGates; ++g) {
    float* row = w->gates.data() + g * 2 * kHidden;
    std::memcpy(row, from_input.data() + g * kHidden, kHidden * sizeof(float));
    std::memcpy(row + kHidden, from_hidden.data() + g * kHidden, kHidden * sizeof(float));
    w->gate_bias[g] = input_bias[g] + hidden_bias[g];
  }
  w->output = take(tensors, {1, kHidden, 1});
  w->output_bias = take(tensors, {1}).front();
  return std::shared_ptr<const SileroModel>(new SileroModel(std::move(w)));
}

SileroVad::SileroVad(std::shared_ptr<const SileroModel> model)
    : model_(std::move(model)), state_(std::make_unique<State>()) {
  CALL_ASSERT(model_ != nullptr);
}

SileroVad::~SileroVad() = default;

void SileroVad::reset() noexcept {
  *state_ = State{};
}

float SileroVad::push(audio::PcmView pcm) noexcept {
  for (const std::int16_t sample : pcm) {
    state_->window[state_->filled++] = static_cast<float>(sample) / 32768.0F;
    if (state_->filled < kWindow) continue;
    state_->filled = 0;
    state_->probability = step();
    forget_silence();
  }
  return state_->probability;
}

/// What the network remembers of a long silence makes it slow to hear the next word: after four
/// seconds of it an interruption was noticed 60 to 100 ms later (p99) than with an empty memory
/// (barge_in_bench).
void SileroVad::forget_silence() noexcept {
  constexpr float kNothing = 0.1F;
  constexpr std::size_t kHalfASecond = 4096 / kWindow;
  state_->quiet = state_->probability < kNothing ? state_->quiet + 1 : 0;
  if (state_->quiet < kHalfASecond) return;
  state_->quiet = 0;
  state_->hidden.fill(0);
  state_->cell.fill(0);
}

namespace {

template <class Weights, class State>
CALL_KERNEL float run(const Weights& w, State& s) noexcept {
  std::array<float, kContext + kWindow + kReflect> samples;
  std::copy(s.context.begin(), s.context.end(), samples.begin());
  std::copy(s.window.begin(), s.window.end(), samples.begin() + kContext);
  for (std::size_t i = 0; i < kReflect; ++i) {
    samples[kContext + kWindow + i] = samples[kContext + kWindow - 2 - i];
  }
  std::copy(s.window.end() - kContext, s.window.end(), s.context.begin());

  const auto magnitudes = spectrum(w.basis, samples);
  Activations a;
  Activations b;
  const auto layer = [&](std::size_t i, const float* in, std::size_t steps, Activations& out) {
    return convolve(kConvolutions[i], w.kernel[i].data(), w.bias[i].data(), in, steps, out);
  };
  std::size_t steps = layer(0, magnitudes.data(), kSteps, a);
  steps = layer(1, a.data(), steps, b);
  steps = layer(2, b.data(), steps, a);
  steps = layer(3, a.data(), steps, b);
  CALL_DASSERT(steps == 1);

  std::array<float, 2 * kHidden> joined;
  std::copy_n(b.begin(), kHidden, joined.begin());
  std::copy(s.hidden.begin(), s.hidden.end(), joined.begin() + kHidden);
  std::array<float, kGates> gate;
  for (std::size_t g = 0; g < kGates; ++g) {
    gate[g] =
        w.gate_bias[g] + dot(w.gates.data() + g * joined.size(), joined.data(), joined.size());
  }
  for (std::size_t i = 0; i < kHidden; ++i) {
    const float input = logistic(gate[i]);
    const float forget = logistic(gate[kHidden + i]);
    const float candidate = hyperbolic_tangent(gate[2 * kHidden + i]);
    const float output = logistic(gate[3 * kHidden + i]);
    s.cell[i] = forget * s.cell[i] + input * candidate;
    s.hidden[i] = output * hyperbolic_tangent(s.cell[i]);
    joined[i] = std::max(s.hidden[i], 0.0F);
  }
  return logistic(w.output_bias + dot(w.output.data(), joined.data(), kHidden));
}

template <class Weights, class State>
float run_anywhere(const Weights& w, State& s) noexcept {
  return run(w, s);
}

#if defined(__x86_64__)
template <class Weights, class State>
[[gnu::target("avx2,fma")]] float run_wide(const Weights& w, State& s) noexcept {
  return run(w, s);
}
bool is_wide() noexcept {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
}
#endif

}  // namespace

float SileroVad::step() noexcept {
#if defined(__x86_64__)
  static const bool wide = is_wide();
  if (wide) return run_wide(*model_->weights_, *state_);
#endif
  return run_anywhere(*model_->weights_, *state_);
}

}  // namespace call::speech
