// What the dialer counts. Build one per process on its metrics registry.
#pragma once

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
  metrics::Counter& resolved;
  metrics::Counter& abandoned;
  metrics::Gauge& drivers;
};

}  // namespace call::dialer
