#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <thread>

#include "core/runtime/bounded_queue.hpp"
#include "core/runtime/thread_pool.hpp"

using namespace call;
using namespace call::runtime;
using namespace std::chrono_literals;

TEST_CASE("runtime.queue: order is kept and a full queue says so") {
  BoundedQueue<int> queue(2);
  CHECK(queue.try_push(1) == Push::ok);
  CHECK(queue.try_push(2) == Push::ok);
  CHECK(queue.try_push(3) == Push::full);
  CHECK(*queue.pop(Deadline::never()) == 1);
  CHECK(queue.try_pop() == 2);
  CHECK(queue.try_pop() == std::nullopt);
}

TEST_CASE("runtime.queue: a refused item stays with its owner") {
  BoundedQueue<std::unique_ptr<int>> queue(1);
  CHECK(queue.try_push(std::make_unique<int>(1)) == Push::ok);
  auto second = std::make_unique<int>(2);
  CHECK(queue.try_push(std::move(second)) == Push::full);
  REQUIRE(second != nullptr);
  CHECK(*second == 2);
}

TEST_CASE("runtime.queue: dropping gives up the oldest") {
  BoundedQueue<int> queue(2);
  CHECK(queue.push_dropping_oldest(1) == Push::ok);
  CHECK(queue.push_dropping_oldest(2) == Push::ok);
  CHECK(queue.push_dropping_oldest(3) == Push::dropped);
  CHECK(queue.size() == 2);
  CHECK(queue.try_pop() == 2);
}

TEST_CASE("runtime.queue: waiting ends at the deadline") {
  BoundedQueue<int> queue(1);
  CHECK(queue.pop(Deadline::after(5ms)).error().code == Errc::timeout);
}

TEST_CASE("runtime.queue: close wakes the one who waits, after what was inside") {
  BoundedQueue<int> queue(1);
  CHECK(queue.try_push(7) == Push::ok);
  auto consumer = std::async(std::launch::async, [&] {
    const int first = *queue.pop(Deadline::never());
    return std::pair(first, queue.pop(Deadline::never()).error().code);
  });
  while (queue.size() > 0) std::this_thread::yield();
  queue.close();
  CHECK(consumer.get() == std::pair(7, Errc::closed));
  CHECK(queue.try_push(8) == Push::closed);
  CHECK(queue.push_dropping_oldest(8) == Push::closed);
}

TEST_CASE("runtime.pool: a full pool refuses, and join runs what it took") {
  std::promise<void> gate;
  std::promise<void> started;
  std::atomic<int> ran{0};
  ThreadPool pool("pool-test", 1, 2);
  REQUIRE(pool.submit([&] {
    started.set_value();
    gate.get_future().get();
    ++ran;
  }));
  started.get_future().get();
  CHECK(pool.submit([&] { ++ran; }));
  CHECK(pool.submit([&] { ++ran; }));
  CHECK_FALSE(pool.submit([&] { ran += 100; }));
  gate.set_value();
  pool.join();
  CHECK(ran == 3);
  CHECK_FALSE(pool.submit([&] { ran += 100; }));
}

TEST_CASE("runtime.pool: its threads work at the same time") {
  ThreadPool pool("pool-test", 2, 2);
  std::promise<void> one;
  std::promise<void> two;
  CHECK(pool.submit([&] {
    one.set_value();
    two.get_future().get();  // would hang with one thread
  }));
  CHECK(pool.submit([&] {
    one.get_future().get();
    two.set_value();
  }));
  pool.join();
}
