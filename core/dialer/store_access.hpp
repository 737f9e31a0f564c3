// A connection for one step. Internal to this module: a driver holds none while it waits, so that a
// small pool serves many lists.
#pragma once

#include <chrono>
#include <utility>

#include "core/base/deadline.hpp"
#include "core/dialer/dialer.hpp"
#include "core/store/pool.hpp"

namespace call::dialer {

inline constexpr std::chrono::milliseconds kStorePatience{5000};

/// What `use` returns (a Result or Status), or why there was no connection.
template <class F>
auto with_store(const Deps& deps, F&& use) -> decltype(use(std::declval<store::Connection&>())) {
  auto connection = deps.store->take(Deadline::after(kStorePatience));
  if (!connection) return std::move(connection).error();
  return use(**connection);
}

}  // namespace call::dialer
