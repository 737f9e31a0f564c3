// Result<T>: a value or an Error. Discarding one is a compiler warning (the type is nodiscard).
//
//   Result<Job> load(std::string_view id);
//   CALL_TRY(auto job, load(id));          // returns the error from the enclosing function
//   CALL_CHECK(save(job));                 // the same for Status
#pragma once

#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/base/assert.hpp"
#include "core/base/error.hpp"

namespace call {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    CALL_ASSERT(ok());
    return std::get<0>(state_);
  }
  const T& value() const& {
    CALL_ASSERT(ok());
    return std::get<0>(state_);
  }
  T&& value() && {
    CALL_ASSERT(ok());
    return std::get<0>(std::move(state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) && { return ok() ? std::get<0>(std::move(state_)) : std::move(other); }

  const Error& error() const& {
    CALL_ASSERT(!ok());
    return std::get<1>(state_);
  }
  Error&& error() && {
    CALL_ASSERT(!ok());
    return std::get<1>(std::move(state_));
  }
  /// The same result; an error gets "what: " in front of its text.
  Result with_context(std::string_view what) && {
    if (ok()) return std::move(*this);
    return std::get<1>(std::move(state_)).with_context(what);
  }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  const Error& error() const& {
    CALL_ASSERT(error_.has_value());
    return *error_;
  }
  Error&& error() && {
    CALL_ASSERT(error_.has_value());
    return *std::move(error_);
  }
  Result with_context(std::string_view what) && {
    if (error_) error_ = std::move(*error_).with_context(what);
    return std::move(*this);
  }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace call

#define CALL_CONCAT_INNER(a, b) a##b
#define CALL_CONCAT(a, b) CALL_CONCAT_INNER(a, b)

/// Declares `decl` from the value of `expr`, or returns its error.
#define CALL_TRY(decl, expr)                                    \
  auto CALL_CONCAT(call_try_, __LINE__) = (expr);               \
  if (!CALL_CONCAT(call_try_, __LINE__))                        \
    return std::move(CALL_CONCAT(call_try_, __LINE__)).error(); \
  decl = std::move(*CALL_CONCAT(call_try_, __LINE__))

/// Returns the error of `expr` (a Status, or a Result whose value is not needed).
#define CALL_CHECK(expr)                                   \
  if (auto call_check_result = (expr); !call_check_result) \
  return std::move(call_check_result).error()
