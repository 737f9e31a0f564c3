// RQ's list of workers after deaths: a record expires by itself, its name in the sets does not, and
// `rq info` then counts ghosts.
#pragma once

#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/redis/connection.hpp"
#include "core/store/cleanup.hpp"

namespace call::dialer {

enum class Orphans { find, remove };

/// Registrations without a worker, as findings of a clean-up (kind remove_worker); removed in the
/// same step if so asked, so that none that comes back to life is. Blocks.
Result<std::vector<store::CleanupAction>> orphaned_workers(redis::Connection& redis, Orphans what,
                                                           Deadline deadline);

}  // namespace call::dialer
