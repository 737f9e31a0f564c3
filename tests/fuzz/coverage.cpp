// The compiler calls __sanitizer_cov_trace_pc() in each basic block of what is instrumented. Two
// blocks in a row are an edge; how often an edge was taken counts in steps (once, twice, 3, 4-7, ...),
// so that another round of a loop is news as well.
#include "tests/fuzz/coverage.hpp"

#include <array>
#include <bit>
#include <cstdint>

namespace call::fuzz {
namespace {

constexpr std::size_t kEdges = 1U << 16;
std::array<std::uint8_t, kEdges> now;
std::array<std::uint8_t, kEdges> seen;
std::uintptr_t last = 0;

std::uint8_t step(std::uint8_t count) {
  return static_cast<std::uint8_t>(count == 3 ? 4 : 1U << std::bit_width(unsigned{count} >> 1U));
}

}  // namespace

void begin_trace() {
  if (last != 0) now.fill(0);
  last = 0;
}

bool is_new_trace() {
  if (last == 0) return false;
  bool news = false;
  for (std::size_t i = 0; i < kEdges; ++i) {
    if (now[i] == 0) continue;
    const auto bit = step(now[i]);
    news |= (seen[i] & bit) == 0;
    seen[i] = static_cast<std::uint8_t>(seen[i] | bit);
  }
  return news;
}

std::size_t edges_seen() {
  std::size_t count = 0;
  for (const auto edge : seen) count += edge != 0 ? 1 : 0;
  return count;
}

}  // namespace call::fuzz

extern "C" void __sanitizer_cov_trace_pc();
extern "C" void __sanitizer_cov_trace_pc() {
  using namespace call::fuzz;
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
  auto& count = now[(here ^ last) % kEdges];
  if (count < 255) ++count;
  last = here >> 1U;
}
