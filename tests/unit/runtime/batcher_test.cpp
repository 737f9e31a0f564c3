#include "core/runtime/batcher.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

using call::runtime::Batcher;
using std::chrono::milliseconds;

namespace {

/// Work that waits until it is let go.
struct Held {
  std::mutex mutex;
  std::condition_variable changed;
  bool free = false;               // under mutex
  std::vector<std::size_t> sizes;  // under mutex

  std::vector<int> work(const std::vector<const int*>& in) {
    std::unique_lock lock(mutex);
    sizes.push_back(in.size());
    changed.notify_all();
    if (sizes.size() == 1) changed.wait(lock, [this] { return free; });
    std::vector<int> out;
    for (const auto* one : in) out.push_back(*one * 2);
    return out;
  }
  void wait_until_begun() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !sizes.empty(); });
  }
  void let_go() {
    std::lock_guard lock(mutex);
    free = true;
    changed.notify_all();
  }
};

constexpr milliseconds kLong{3600000};

}  // namespace

TEST_CASE("runtime.batcher: one alone is done at once") {
  Batcher<int, int> batcher([](const auto& in) { return std::vector<int>{*in.at(0) * 2}; }, 8,
                            kLong);
  CHECK(batcher.put(21) == 42);
  CHECK(batcher.waiting() == 0);
}

TEST_CASE(
    "runtime.batcher: what waits is done together, each gets its own answer, no batch is too "
    "large") {
  Held held;
  Batcher<int, int> batcher([&](const auto& in) { return held.work(in); }, 8, kLong);
  std::atomic<int> right{0};
  {
    std::vector<std::jthread> threads;
    const auto start = [&](int n) {
      threads.emplace_back([&, n] {
        if (batcher.put(n) == 2 * n) ++right;
      });
    };
    start(0);
    held.wait_until_begun();
    for (int n = 1; n <= 12; ++n) start(n);
    while (batcher.waiting() < 12) std::this_thread::yield();
    held.let_go();
  }
  CHECK(right == 13);
  CHECK(held.sizes == std::vector<std::size_t>{1, 8, 4});
}

TEST_CASE("runtime.batcher: a batch that takes too long has another one beside it") {
  Held held;
  Batcher<int, int> batcher([&](const auto& in) { return held.work(in); }, 8, milliseconds(1));
  std::atomic<int> first{0};
  std::jthread slow([&] { first = batcher.put(1); });
  held.wait_until_begun();
  CHECK(batcher.put(2) == 4);
  CHECK(first == 0);
  held.let_go();
  slow.join();
  CHECK(first == 2);
}
