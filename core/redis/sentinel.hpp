// Inside core/redis: where the primary is, by Redis Sentinel
// (https://redis.io/docs/latest/develop/reference/sentinel-clients/).
#pragma once

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/redis/endpoint.hpp"

namespace call::redis {

/// Asks the endpoint's sentinels one after the other, at most a second each. Blocks.
/// Errc::unavailable: none of them knows; the text says what each answered.
Result<Address> find_primary(const Endpoint& endpoint, Deadline deadline);

}  // namespace call::redis
