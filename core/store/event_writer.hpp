// Many requests' events, each batch of them in one transaction.
#pragma once

#include <chrono>

#include "core/base/result.hpp"
#include "core/runtime/batcher.hpp"
#include "core/store/events.hpp"
#include "core/store/pool.hpp"

namespace call::store {

/// Thread-safe.
class EventWriter {
 public:
  /// `pool` is borrowed. `patience`: as of runtime::Batcher.
  EventWriter(Pool& pool, std::chrono::milliseconds patience);

  /// As apply_event(): returns when the event is committed, or why it is not. Blocks.
  Result<EventEffect> apply(const Event& event) { return batches_.put(event); }
  /// Events that no batch has taken yet.
  std::size_t waiting() const { return batches_.waiting(); }

 private:
  runtime::Batcher<Event, Result<EventEffect>> batches_;
};

}  // namespace call::store
