// What the dialer counts. Build one per process on its metrics registry.
#pragma once

#include <chrono>

#include "core/log/log.hpp"
#include "core/metrics/metrics.hpp"

namespace call::dialer {

struct Instruments {
  explicit Instruments(metrics::Registry& registry);

  metrics::Counter& placed;
  metrics::Counter& rejected;
  metrics::Counter& throttled;
  metrics::Counter& not_sent;
  metrics::Counter& unknown;
  metrics::Counter& fenced;  ///< sends given up because the lease or the list was gone
  metrics::Histogram& create_seconds;
  metrics::Histogram&
      queue_seconds;  ///< what the carrier says that calls wait before they are dialed
  log::Throttle queue_log{std::chrono::seconds(30)};
  metrics::Counter& resolved;
  metrics::Counter& abandoned;
  metrics::Gauge& drivers;
};

}  // namespace call::dialer
