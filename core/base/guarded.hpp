// Guarded<T>: a value that can only be reached under its mutex. The function given to with() must be short: no I/O,
// no callback into foreign code, no second Guarded inside (two locks at once are banned in this project).
#pragma once

#include <mutex>
#include <utility>

namespace call {

template <class T>
class Guarded {
 public:
  Guarded() = default;
  explicit Guarded(T value) : value_(std::move(value)) {}

  template <class F>
  decltype(auto) with(F&& f) {
    std::lock_guard lock(mutex_);
    return std::forward<F>(f)(value_);
  }
  template <class F>
  decltype(auto) with(F&& f) const {
    std::lock_guard lock(mutex_);
    return std::forward<F>(f)(value_);
  }

 private:
  mutable std::mutex mutex_;
  T value_{};
};

}  // namespace call
