#include "core/runtime/loop.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "core/base/affinity.hpp"
#include "core/runtime/priority.hpp"

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

TEST_CASE("runtime.loop: a blocking call on a loop ends the program") {
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // Catch would report it as a failure of this test
    std::fclose(stderr);
    Loop loop("loop-test");
    std::promise<void> done;
    loop.post([&] {
      call::assert_may_block("a function that waits");
      done.set_value();
    });
    done.get_future().wait();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

TEST_CASE("runtime.priority: a raised thread says how far it got, and its children are ordinary") {
  Priority got = Priority::normal;
  int own_policy = 0;
  int child_policy = 0;
  int child_nice = 0;
  std::thread raised([&] {
    got = raise_this_thread();
    own_policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    std::thread([&] {
      child_policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
      child_nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
    }).join();
  });
  raised.join();
  CHECK((own_policy == SCHED_RR) == (got == Priority::realtime));
  CHECK(child_policy == SCHED_OTHER);
  CHECK(child_nice >= 0);
  CHECK(to_string(Priority::realtime) == "real-time");
}
