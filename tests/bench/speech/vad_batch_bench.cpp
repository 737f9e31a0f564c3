// Is it worth while to run the voice detector's network for several calls at once? Its products of
// matrix and vector, of the sizes that they have (core/speech/silero.cpp), computed in three ways:
//
//   one row at a time        every sum loads its row and the input: what silero.cpp does
//   four rows at a time      four sums share the loads of the input
//   four calls at a time     four inputs share the loads of the matrix: "batched"
//
//   cmake --build --preset release --target vad_batch_bench && build/release/bin/vad_batch_bench
//
// Prints the CPU time of a window (32 ms of one call) and the ratio to the first, all in one run: medians of
// rounds that take turns, with the inputs of 48 calls. Behind them the whole detector as it is built.
#include <ctime>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <vector>

#include "core/speech/vad.hpp"

namespace {

using Lanes [[gnu::vector_size(32), gnu::aligned(4), gnu::may_alias]] = float;
constexpr std::size_t kLanes = 8;
constexpr std::size_t kCalls = 48;
constexpr int kRounds = 60;

#if defined(__x86_64__)
#define CALL_WIDE [[gnu::target("avx2,fma")]]
#else
#define CALL_WIDE
#endif
#define CALL_KERNEL [[gnu::always_inline]] inline

/// How often a window needs which product.
struct Product {
  std::size_t rows, columns, times;
};
constexpr std::array<Product, 6> kProducts{{{130, 128, 4},  // short-time Fourier transform
                                            {128, 195, 4},  // convolutions
                                            {64, 384, 2},
                                            {64, 192, 1},
                                            {128, 192, 1},
                                            {512, 256, 1}}};  // the gates of the LSTM cell

struct Matrix {
  Product size;
  std::vector<float> values;
};
using Inputs = std::vector<std::vector<float>>;  // a call each

CALL_KERNEL const Lanes& load(const float* from) {
  return *reinterpret_cast<const Lanes*>(from);
}
CALL_KERNEL float sum_of(const Lanes& v) {
  return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

/// `Rows` rows times `Calls` inputs, with as many sums side by side; columns beyond whole vectors are
/// left out, in all three ways.
template <std::size_t Rows, std::size_t Calls, std::size_t Unroll>
CALL_KERNEL void tile(const float* matrix, std::size_t n, const float* const* in,
                      float* const* out) {
  Lanes sums[Rows][Calls][Unroll] = {};
  for (std::size_t i = 0; i + Unroll * kLanes <= n; i += Unroll * kLanes) {
    for (std::size_t u = 0; u < Unroll; ++u) {
      const std::size_t at = i + u * kLanes;
      for (std::size_t r = 0; r < Rows; ++r) {
        const Lanes w = load(matrix + r * n + at);
        for (std::size_t c = 0; c < Calls; ++c) sums[r][c][u] += w * load(in[c] + at);
      }
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t c = 0; c < Calls; ++c) {
      Lanes sum = sums[r][c][0];
      for (std::size_t u = 1; u < Unroll; ++u) sum += sums[r][c][u];
      out[c][r] = sum_of(sum);
    }
  }
}

template <std::size_t Rows, std::size_t Calls, std::size_t Unroll>
CALL_WIDE void window(const std::vector<Matrix>& network, const Inputs& inputs, Inputs& outputs) {
  for (std::size_t call = 0; call < kCalls; call += Calls) {
    for (const auto& matrix : network) {
      for (std::size_t t = 0; t < matrix.size.times; ++t) {
        for (std::size_t r = 0; r + Rows <= matrix.size.rows; r += Rows) {
          const float* in[Calls];
          float* out[Calls];
          for (std::size_t c = 0; c < Calls; ++c) {
            in[c] = inputs[call + c].data() + t * kLanes;
            out[c] = outputs[call + c].data() + r;
          }
          tile<Rows, Calls, Unroll>(matrix.values.data() + r * matrix.size.columns,
                                    matrix.size.columns, in, out);
        }
      }
    }
  }
}

double cpu_microseconds() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double microseconds_a_window(void (*way)(const std::vector<Matrix>&, const Inputs&, Inputs&),
                             const std::vector<Matrix>& network, const Inputs& in, Inputs& out) {
  const double began = cpu_microseconds();
  way(network, in, out);
  return (cpu_microseconds() - began) / static_cast<double>(kCalls);
}

/// The whole of it, for all calls in turn.
double microseconds_of_silero(std::vector<std::unique_ptr<call::speech::Vad>>& detectors,
                              call::audio::PcmView window) {
  const double began = cpu_microseconds();
  for (auto& detector : detectors) static_cast<void>(detector->push(window));
  return (cpu_microseconds() - began) / static_cast<double>(kCalls);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main() {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> any(-1, 1);
  std::vector<Matrix> network;
  for (const auto& size : kProducts) {
    network.push_back({size, std::vector<float>(size.rows * size.columns)});
    for (auto& value : network.back().values) value = any(random);
  }
  Inputs in(kCalls, std::vector<float>(1024));
  for (auto& input : in) {
    for (auto& value : input) value = any(random);
  }
  struct Way {
    const char* name;
    void (*run)(const std::vector<Matrix>&, const Inputs&, Inputs&);
    std::vector<double> times;
    Inputs out;
  };
  const Inputs none(kCalls, std::vector<float>(1024));
  std::array<Way, 3> ways{{{"one row at a time", window<1, 1, 4>, {}, none},
                           {"four rows at a time", window<4, 1, 2>, {}, none},
                           {"four calls at a time", window<2, 4, 1>, {}, none}}};
  const auto model = call::speech::SileroModel::load();
  std::vector<std::unique_ptr<call::speech::Vad>> detectors;
  for (std::size_t i = 0; i < kCalls; ++i)
    detectors.push_back(std::make_unique<call::speech::SileroVad>(model));
  call::audio::Pcm sound(256);
  for (auto& sample : sound) sample = static_cast<std::int16_t>(any(random) * 4000);
  std::vector<double> silero;
  for (int round = 0; round < kRounds; ++round) {
    silero.push_back(microseconds_of_silero(detectors, sound));
    for (auto& way : ways)
      way.times.push_back(microseconds_a_window(way.run, network, in, way.out));
  }
  const double first = median(ways[0].times);
  for (const auto& way : ways) {
    const double time = median(way.times);
    // The last product's first result: the same in every way, but for rounding.
    std::printf("%-22s %6.1f us a window  %.2fx   (%.4f)\n", way.name, time, time / first,
                static_cast<double>(way.out[kCalls - 1][0]));
  }
  std::printf("%-22s %6.1f us a window  %.2fx\n", "the whole detector", median(silero),
              median(silero) / first);
  return 0;
}
