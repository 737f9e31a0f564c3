#include "core/flow/call_threads.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <mutex>
#include <system_error>

#include "core/base/affinity.hpp"
#include "core/runtime/thread_name.hpp"

namespace call::flow {
namespace {

constexpr std::size_t kMaxName = 15;
/// Recognition and synthesis are bursts of computing; the loops that feed the carrier go first.
constexpr int kNice = 5;

void lower_priority() {
  // On Linux this is a matter of one thread. It can fail only for lack of permission to raise,
  // which this is not.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice);
}

}  // namespace

CallThreads::~CallThreads() {
  assert_may_block("~CallThreads");
  wait_idle(Deadline::never());
  for (auto& thread : ended_) thread.join();
}

/// The last thing that a thread does.
void CallThreads::end(Threads::iterator self) {
  assert_may_block("CallThreads::end");
  Threads before;
  {
    std::lock_guard lock(mutex_);
    before.swap(ended_);
    ended_.splice(ended_.end(), threads_, self);
  }
  for (auto& thread : before) thread.join();
  std::lock_guard lock(mutex_);
  --running_;
  changed_.notify_all();  // under the lock: the owner may go as soon as it is free
}

Status CallThreads::launch(std::string name, std::function<void()> body) {
  std::lock_guard lock(mutex_);
  const auto self = threads_.emplace(threads_.end());
  try {
    *self = std::thread([this, self, name = name.substr(0, kMaxName), body = std::move(body)] {
      runtime::name_this_thread(name);
      lower_priority();
      body();
      end(self);
    });
  } catch (const std::system_error& error) {
    threads_.erase(self);
    return Error{Errc::limit, std::string("cannot start a thread: ") + error.what()};
  }
  ++running_;
  return {};
}

bool CallThreads::wait_idle(Deadline deadline) {
  assert_may_block("CallThreads::wait_idle");
  std::unique_lock lock(mutex_);
  const auto idle = [this] { return running_ == 0; };
  if (!deadline.is_never()) return changed_.wait_until(lock, deadline.point(), idle);
  changed_.wait(lock, idle);
  return true;
}

std::size_t CallThreads::running() const {
  std::lock_guard lock(mutex_);
  return running_;
}

}  // namespace call::flow
