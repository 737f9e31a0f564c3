#include "core/dialer/instruments.hpp"

namespace call::dialer {
namespace {

metrics::Counter& creates(metrics::Registry& registry, const char* result) {
  return registry.counter("calld_dialer_creates_total",
                          "Create-call requests, by what came of them", {{"result", result}});
}

}  // namespace

Instruments::Instruments(metrics::Registry& registry)
    : placed(creates(registry, "placed")),
      rejected(creates(registry, "rejected")),
      throttled(creates(registry, "throttled")),
      not_sent(creates(registry, "not_sent")),
      unknown(creates(registry, "unknown")),
      fenced(registry.counter("calld_dialer_fenced_total",
                              "Sends given up because the lease or the list was gone")),
      create_seconds(registry.histogram("calld_dialer_create_seconds",
                                        "Time of one create-call request",
                                        metrics::latency_seconds())),
      queue_seconds(
          registry.histogram("calld_dialer_queue_seconds",
                             "How long the carrier says that a call will wait in its queue",
                             {0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600})),
      resolved(registry.counter("calld_dialer_resolved_total",
                                "Unknown or overdue attempts settled by evidence")),
      abandoned(registry.counter("calld_dialer_abandoned_total",
                                 "Unknown attempts given up without evidence")),
      drivers(registry.gauge("calld_dialer_drivers", "Lists that this process drives now")) {}

}  // namespace call::dialer
