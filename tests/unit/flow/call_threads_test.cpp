#include "core/flow/call_threads.hpp"

#include <pthread.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <functional>
#include <future>
#include <thread>

using namespace call;
using namespace call::flow;

TEST_CASE("flow.threads: a call's thread carries its name") {
  CallThreads threads;
  std::promise<std::string> name;
  REQUIRE(threads.launch("call-0123456789abcdef", [&] {
    char buffer[32] = {};
    pthread_getname_np(pthread_self(), buffer, sizeof buffer);
    name.set_value(buffer);
  }));
  CHECK(name.get_future().get() == "call-0123456789");
}

TEST_CASE("flow.threads: waiting has a deadline, and the end of the last one is noticed") {
  CallThreads threads;
  std::promise<void> release;
  auto released = release.get_future().share();
  for (int i = 0; i < 8; ++i) REQUIRE(threads.launch("call", [released] { released.wait(); }));
  CHECK(threads.running() == 8);
  CHECK_FALSE(threads.wait_idle(Deadline::after(std::chrono::milliseconds(10))));
  release.set_value();
  CHECK(threads.wait_idle(Deadline::after(std::chrono::seconds(10))));
  CHECK(threads.running() == 0);
}

TEST_CASE("flow.threads: a thousand short calls leave nothing behind") {
  CallThreads threads;
  std::atomic<int> ran = 0;
  for (int i = 0; i < 1000; ++i) REQUIRE(threads.launch("call", [&] { ++ran; }));
  REQUIRE(threads.wait_idle(Deadline::after(std::chrono::seconds(30))));
  CHECK(ran == 1000);
}

TEST_CASE("flow.threads: whoever starts a call does not wait for one that is ending") {
  struct AtExit {
    std::function<void()> act;
    ~AtExit() {
      if (act) act();
    }
  };
  CallThreads threads;
  std::promise<void> dying;
  std::promise<void> release;
  auto released = release.get_future().share();
  // Its body has returned, and yet the thread is there: nobody gives it the processor.
  REQUIRE(threads.launch("slow", [&] {
    thread_local AtExit last;
    last.act = [&] {
      dying.set_value();
      released.wait();
    };
  }));
  dying.get_future().wait();
  std::promise<bool> started;
  std::thread loop([&] { started.set_value(threads.launch("next", [] {}).ok()); });
  auto launched = started.get_future();
  CHECK(launched.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  release.set_value();
  loop.join();
  CHECK(threads.wait_idle(Deadline::after(std::chrono::seconds(20))));
}
