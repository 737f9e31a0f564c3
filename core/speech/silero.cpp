// Silero VAD v6, the 8 kHz network (its "else" branch), computed without an inference library: a
// short-time Fourier transform written as a matrix, four small convolutions, one LSTM cell and a
// logistic output. Checked by its authors' measure only through the .onnx itself: the same weights,
// the same arithmetic, float throughout. Rejected: ONNX Runtime (40 MB of memory, not in Debian)
// for a network that takes 0.05 ms by hand.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
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

/// Eight sums at once, so that the compiler may use vector registers without -ffast-math.
float dot(const float* a, const float* b, std::size_t n) noexcept {
  std::array<float, 8> sums{};
  std::size_t i = 0;
  for (; i + sums.size() <= n; i += sums.size()) {
    for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += a[i + j] * b[i + j];
  }
  float rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  for (const float s : sums) rest += s;
  return rest;
}

float logistic(float x) noexcept {
  return 1.0F / (1.0F + std::exp(-x));
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
};

namespace {

using Activations = std::array<float, kSteps * kHidden>;

/// Zero-padded by one step on both sides, then ReLU. Returns the number of steps out.
std::size_t convolve(const Convolution& c, const float* kernel, const float* bias, const float* in,
                     std::size_t steps, Activations& out) noexcept {
  const std::size_t steps_out = (steps - 1) / c.stride + 1;
  for (std::size_t t = 0; t < steps_out; ++t) {
    for (std::size_t o = 0; o < c.out; ++o) {
      float sum = bias[o];
      for (std::size_t k = 0; k < kTaps; ++k) {
        const std::size_t padded = t * c.stride + k;  // step + 1
        if (padded == 0 || padded > steps) continue;
        sum += dot(kernel + (o * kTaps + k) * c.in, in + (padded - 1) * c.in, c.in);
      }
      out[t * c.out + o] = std::max(sum, 0.0F);
    }
  }
  return steps_out;
}

std::array<float, kSteps * kBins> spectrum(const std::vector<float>& basis,
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
  }
  return state_->probability;
}

float SileroVad::step() noexcept {
  const auto& w = *model_->weights_;
  State& s = *state_;
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
  float sum = w.output_bias;
  for (std::size_t i = 0; i < kHidden; ++i) {
    const float input = logistic(gate[i]);
    const float forget = logistic(gate[kHidden + i]);
    const float candidate = std::tanh(gate[2 * kHidden + i]);
    const float output = logistic(gate[3 * kHidden + i]);
    s.cell[i] = forget * s.cell[i] + input * candidate;
    s.hidden[i] = output * std::tanh(s.cell[i]);
    sum += w.output[i] * std::max(s.hidden[i], 0.0F);
  }
  return logistic(sum);
}

}  // namespace call::speech
