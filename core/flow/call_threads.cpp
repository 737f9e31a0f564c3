#include "core/flow/call_threads.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <exception>
#include <system_error>

#include "core/base/affinity.hpp"
#include "core/base/assert.hpp"
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
  wait_idle(Deadline::never());
  std::unique_lock lock(mutex_);
  reap(lock);
}

/// Joins those that have ended. Their bodies have returned, so nothing is waited for.
void CallThreads::reap(std::unique_lock<std::mutex>& lock) {
  std::list<Entry> ended;
  for (auto at = entries_.begin(); at != entries_.end();) {
    const auto next = std::next(at);
    if (at->done) ended.splice(ended.end(), entries_, at);
    at = next;
  }
  lock.unlock();
  for (auto& entry : ended) entry.thread.join();
  lock.lock();
}

Status CallThreads::launch(std::string name, std::function<void()> body) {
  std::unique_lock lock(mutex_);
  reap(lock);
  const auto entry = entries_.emplace(entries_.end());
  try {
    entry->thread =
        std::thread([this, entry, name = name.substr(0, kMaxName), body = std::move(body)] {
          runtime::name_this_thread(name);
          lower_priority();
          body();
          {
            std::lock_guard end(mutex_);
            entry->done = true;
            --running_;
            changed_.notify_all();  // under the lock: the owner may go as soon as it is free
          }
        });
  } catch (const std::system_error& error) {
    entries_.erase(entry);
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
