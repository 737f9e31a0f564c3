// A mutex for state that a thread of real-time priority shares with ordinary ones. Whoever holds it
// runs at the priority of whoever waits for it (priority inheritance), so an ordinary thread that is
// put aside inside its few instructions does not hold up a media loop for as long as the machine is
// busy. std::mutex cannot do that.
#pragma once

#include <pthread.h>
#include <time.h>

#include <chrono>
#include <mutex>

#include "core/base/deadline.hpp"

namespace call {

class PiMutex {
 public:
  PiMutex() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex_, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  ~PiMutex() { pthread_mutex_destroy(&mutex_); }
  PiMutex(const PiMutex&) = delete;
  PiMutex& operator=(const PiMutex&) = delete;

  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }
  bool try_lock() { return pthread_mutex_trylock(&mutex_) == 0; }

 private:
  friend class PiCondition;
  pthread_mutex_t mutex_;
};

/// The condition variable that goes with it; waits by the monotonic clock.
class PiCondition {
 public:
  using Lock = std::unique_lock<PiMutex>;

  PiCondition() {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition_, &attributes);
    pthread_condattr_destroy(&attributes);
  }
  ~PiCondition() { pthread_cond_destroy(&condition_); }
  PiCondition(const PiCondition&) = delete;
  PiCondition& operator=(const PiCondition&) = delete;

  void notify_one() { pthread_cond_signal(&condition_); }
  void notify_all() { pthread_cond_broadcast(&condition_); }

  template <class Predicate>
  void wait(Lock& lock, Predicate done) {
    while (!done()) pthread_cond_wait(&condition_, &lock.mutex()->mutex_);
  }
  /// False when it is not done at that point.
  template <class Predicate>
  bool wait_until(Lock& lock, MonoClock::time_point point, Predicate done) {
    const auto since = point.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    timespec until{};
    until.tv_sec = static_cast<time_t>(seconds.count());
    until.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since - seconds).count());
    while (!done()) {
      if (pthread_cond_timedwait(&condition_, &lock.mutex()->mutex_, &until) != 0) return done();
    }
    return true;
  }

 private:
  pthread_cond_t condition_;
};

}  // namespace call
