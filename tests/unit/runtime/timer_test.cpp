#include "core/runtime/timer.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <vector>

#include "core/runtime/loop.hpp"

using namespace call;
using namespace call::runtime;
using namespace std::chrono_literals;

namespace {

// Runs `task` on the loop and waits for it.
template <class F>
void run_on(Loop& loop, F task) {
  std::promise<void> done;
  loop.post([&] {
    task();
    done.set_value();
  });
  done.get_future().get();
}

// Declared after the timers of a case: they may be destroyed only when their loop has ended.
struct EndOfLoop {
  Loop& loop;
  ~EndOfLoop() {
    loop.stop();
    loop.join();
  }
};

}  // namespace

TEST_CASE("runtime.timer: a one-shot runs once, not before its time") {
  Loop loop("timer-test");
  Timer timer(loop);
  const EndOfLoop end{loop};
  std::promise<MonoClock::time_point> ran;
  const auto start = MonoClock::now();
  run_on(loop, [&] {
    timer.after(20ms, [&] { ran.set_value(MonoClock::now()); });  // a second run would throw
    CHECK(timer.armed());
  });
  CHECK(ran.get_future().get() - start >= 20ms);
  run_on(loop, [&] { CHECK_FALSE(timer.armed()); });
}

TEST_CASE("runtime.timer: a new setting replaces the old one") {
  Loop loop("timer-test");
  Timer timer(loop);
  const EndOfLoop end{loop};
  std::promise<int> ran;
  run_on(loop, [&] {
    timer.after(1ms, [&] { ran.set_value(1); });
    timer.after(5ms, [&] { ran.set_value(2); });
  });
  CHECK(ran.get_future().get() == 2);
}

TEST_CASE("runtime.timer: cancel stops a task that is already due") {
  Loop loop("timer-test");
  Timer first(loop);
  Timer second(loop);
  Timer later(loop);
  const EndOfLoop end{loop};
  std::promise<void> done;
  bool second_ran = false;
  run_on(loop, [&] {
    const auto past = MonoClock::now() - 1s;
    first.at(past, [&] { second.cancel(); });
    second.at(past, [&] { second_ran = true; });
    later.after(20ms, [&] { done.set_value(); });
  });
  done.get_future().get();
  CHECK_FALSE(second_ran);
}

TEST_CASE("runtime.timer: a period does not drift and skips what it missed") {
  Loop loop("timer-test");
  Timer timer(loop);
  const EndOfLoop end{loop};
  std::promise<void> done;
  std::vector<MonoClock::duration> offsets;
  MonoClock::time_point start;
  run_on(loop, [&] {
    start = MonoClock::now();
    timer.every(10ms, [&] {
      offsets.push_back(MonoClock::now() - start);
      if (offsets.size() == 1) {
        while (MonoClock::now() - start < 45ms) {  // the points at 20, 30 and 40 ms are missed
        }
      }
      if (offsets.size() == 12) {
        timer.cancel();
        done.set_value();
      }
    });
  });
  done.get_future().get();
  CHECK(offsets[1] >= 50ms);
  auto least_late = MonoClock::duration::max();
  for (std::size_t i = 1; i < offsets.size(); ++i) {
    CHECK(offsets[i] / 10ms > offsets[i - 1] / 10ms);
    least_late = std::min(least_late, offsets[i] % 10ms);
  }
  CHECK(least_late < 5ms);  // counted from the late run, every point would be 5 ms behind the grid
}

TEST_CASE("runtime.timer: the task may destroy its own timer") {
  Loop loop("timer-test");
  auto timer = std::make_unique<Timer>(loop);
  std::promise<void> done;
  run_on(loop, [&] {
    timer->every(1ms, [&] {
      timer.reset();
      done.set_value();
    });
  });
  done.get_future().get();
  run_on(loop, [&] { CHECK(timer == nullptr); });
}
