// A wait of Asio that has already expired cannot be cancelled: its handler is in the queue. Each
// setting therefore has a number, and a handler that comes with an old one does nothing.
#include "core/runtime/timer.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <utility>

#include "core/base/assert.hpp"
#include "core/runtime/loop.hpp"

namespace call::runtime {

namespace asio = boost::asio;

struct Timer::Impl : std::enable_shared_from_this<Timer::Impl> {
  explicit Impl(Loop& owner) : loop(owner), timer(owner.context()) {}

  void set(MonoClock::time_point point, MonoClock::duration period, std::function<void()> task) {
    CALL_ASSERT(loop.on_this_thread());
    cancel();
    due = point;
    step = period;
    run = std::move(task);
    wait();
  }

  void wait() {
    timer.expires_at(due);
    timer.async_wait([self = weak_from_this(), number = setting](boost::system::error_code) {
      const auto impl = self.lock();
      if (impl && impl->run && impl->setting == number) impl->fire();
    });
  }

  void fire() {
    if (step == MonoClock::duration::zero()) {
      const auto task = std::exchange(run, nullptr);
      task();
      return;
    }
    const auto number = setting;
    auto task = std::exchange(run, nullptr);  // the task may replace or destroy itself
    armed_in_task = true;
    task();
    if (setting != number) return;
    armed_in_task = false;
    run = std::move(task);
    due += step;
    const auto now = MonoClock::now();
    if (due <= now) due += (now - due) / step * step + step;
    wait();
  }

  void cancel() {
    ++setting;
    run = nullptr;
    armed_in_task = false;
    timer.cancel();
  }

  Loop& loop;
  asio::steady_timer timer;
  std::function<void()> run;
  MonoClock::time_point due{};
  MonoClock::duration step{};
  std::uint64_t setting = 0;
  bool armed_in_task = false;
};

Timer::Timer(Loop& loop) : impl_(std::make_shared<Impl>(loop)) {}

Timer::~Timer() {
  impl_->cancel();
}

void Timer::after(MonoClock::duration span, std::function<void()> task) {
  impl_->set(MonoClock::now() + span, {}, std::move(task));
}

void Timer::at(MonoClock::time_point point, std::function<void()> task) {
  impl_->set(point, {}, std::move(task));
}

void Timer::every(MonoClock::duration period, std::function<void()> task) {
  CALL_ASSERT(period > MonoClock::duration::zero());
  impl_->set(MonoClock::now() + period, period, std::move(task));
}

void Timer::cancel() {
  CALL_ASSERT(impl_->loop.on_this_thread());
  impl_->cancel();
}

bool Timer::armed() const {
  return impl_->run != nullptr || impl_->armed_in_task;
}

}  // namespace call::runtime
