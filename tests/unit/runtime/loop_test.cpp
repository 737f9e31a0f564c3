#include "core/runtime/loop.hpp"

#include <pthread.h>

#include <array>
#include <catch2/catch.hpp>
#include <future>
#include <string>
#include <vector>

using namespace call::runtime;

TEST_CASE("runtime.loop: tasks run on the named thread, in the order posted") {
  Loop loop("loop-test");
  std::vector<int> order;
  std::promise<std::string> name;
  for (int i = 0; i < 100; ++i) loop.post([&order, i] { order.push_back(i); });
  loop.post([&] {
    std::array<char, 16> text{};
    pthread_getname_np(pthread_self(), text.data(), text.size());
    name.set_value(loop.on_this_thread() ? text.data() : "another thread");
  });
  CHECK(name.get_future().get() == "loop-test");
  REQUIRE(order.size() == 100);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK_FALSE(loop.on_this_thread());
}

TEST_CASE("runtime.loop: stop ends the thread, and what was not run is destroyed with the loop") {
  auto held = std::make_shared<int>(1);
  {
    Loop loop("loop-test");
    loop.stop();
    loop.join();
    loop.post([held] { *held = 2; });
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
  CHECK(*held == 1);
}
