// From the outbox to the queue. Jobs have fixed ids and are enqueued as unique, so that two relays
// at once, or one that died between its two steps, enqueue each job once.
#pragma once

#include <cstddef>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/rq/client.hpp"
#include "core/store/connection.hpp"
#include "core/store/outbox.hpp"

namespace call::dialer {

/// Right after a commit, by whoever made the change: enqueues and marks sent. What fails is left to
/// the worker's relay (logged at debug); never an error of the change itself. How many were sent.
std::size_t try_relay(store::Connection& store, rq::Client& queue,
                      const std::vector<store::OutboxJob>& jobs, Deadline deadline);

/// The worker's chore: every row that has waited for at least `older_than_ms`. Stops when
/// a service is away; a row that can never be enqueued is logged and dropped.
Result<std::size_t> relay_outbox(store::Connection& store, rq::Client& queue, int older_than_ms,
                                 Deadline deadline);

}  // namespace call::dialer
