#include "core/runtime/loop.hpp"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <thread>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::runtime {

namespace asio = boost::asio;

struct Loop::Impl {
  explicit Impl(std::string loop_name) : name(std::move(loop_name)), work(context.get_executor()) {
    CALL_ASSERT(name.size() <= 15);
    thread = std::thread([this] { run(); });
  }

  void run() noexcept {  // noexcept: what a task throws ends the process where it was thrown
    thread_id = std::this_thread::get_id();
    name_this_thread(name);
    forbid_blocking_on_this_thread();
    context.run();
  }

  const std::string name;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::atomic<std::thread::id> thread_id{};
  std::thread thread;
};

Loop::Loop(std::string name) : impl_(std::make_unique<Impl>(std::move(name))) {}

Loop::~Loop() {
  stop();
  join();
}

void Loop::post(std::function<void()> task) {
  asio::post(impl_->context, std::move(task));
}

bool Loop::on_this_thread() const {
  return impl_->thread_id == std::this_thread::get_id();
}

const std::string& Loop::name() const {
  return impl_->name;
}

void Loop::stop() {
  impl_->context.stop();
}

void Loop::join() {
  assert_may_block("Loop::join");
  CALL_ASSERT(!on_this_thread());
  if (impl_->thread.joinable()) impl_->thread.join();
}

asio::io_context& Loop::context() {
  return impl_->context;
}

}  // namespace call::runtime
