// Inside core/rq: hashes of jobs and workers, field by field. A missing field and an empty one are
// the same, as in RQ.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/redis/reply.hpp"
#include "core/rq/reads.hpp"

namespace call::rq {

using Fields = std::map<std::string, std::string, std::less<>>;

/// From HGETALL's or XRANGE's flat list.
Fields read_fields(const redis::Reply& flat);
std::string text_field(const Fields& fields, std::string_view name);  ///< valid UTF-8
const std::string& raw_field(const Fields& fields, std::string_view name);
std::optional<std::int64_t> number_field(const Fields& fields, std::string_view name);
std::optional<WallTime> time_field(const Fields& fields, std::string_view name);

/// A job as operators see it. `results`: the newest entry of its results stream, or none.
JobInfo read_job(std::string_view id, const Fields& fields, const redis::Reply& results);

}  // namespace call::rq
