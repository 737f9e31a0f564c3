// Short words for times and zones.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/policy/hours.hpp"

namespace call::policy::test {

/// "2026-03-08T06:59:59Z"
inline UtcTime utc(std::string_view text) {
  const auto time = parse_rfc3339(text);
  REQUIRE(time.has_value());
  return std::chrono::floor<std::chrono::seconds>(*time);
}

inline std::string text(UtcTime time) {
  return to_rfc3339(WallTime(time));
}

inline std::shared_ptr<const Zone> zone(std::string_view name) {
  auto found = find_zone(name);
  if (!found) FAIL(found.error().to_string());
  return *std::move(found);
}

/// What the clocks on the wall show, written as if they were UTC's.
inline std::string wall(std::string_view zone_name, std::string_view at) {
  return text(UtcTime(zone(zone_name)->local(utc(at)).time_since_epoch()));
}

}  // namespace call::policy::test
