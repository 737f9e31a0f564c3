// One point in time in the three forms that RQ's keys use.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>

#include "core/base/clock.hpp"

namespace call::rq {

struct Stamp {
  std::string seconds;  ///< whole unix seconds: scores
  std::string iso;      ///< job and worker fields; exactly six digits, newer RQ refuses more
  std::string real;     ///< unix seconds with a fraction: executions
};

inline Stamp stamp(WallTime time = wall_now()) {
  const auto micros = time.time_since_epoch().count();
  return {std::to_string(micros / 1'000'000), to_rfc3339(time, 6),
          fmt::format("{}.{:06}", micros / 1'000'000, micros % 1'000'000)};
}

}  // namespace call::rq
