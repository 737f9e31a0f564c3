// Time zones of the system's tz database, because C++20's are not in g++ 12. Zone is pure; find_zone()
// reads /usr/share/zoneinfo and keeps what it read. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace call::policy {

using UtcTime = std::chrono::sys_seconds;
using LocalTime = std::chrono::local_seconds;

/// One end of daylight saving time in a POSIX TZ text: "M3.2.0/2", "J60", "59".
struct DstRule {
  enum class Kind { month_week_day, julian, day_of_year };
  Kind kind = Kind::month_week_day;
  int month = 0;    ///< 1 to 12
  int week = 0;     ///< 1 to 5, 5 is the last
  int day = 0;      ///< of the week (0 is Sunday), or of the year
  int time = 7200;  ///< seconds into the day, may be negative or above a day
};

/// What holds after the last transition that a file lists.
struct PosixRule {
  int standard = 0;  ///< seconds east of UTC
  int daylight = 0;
  std::optional<DstRule> begin;  ///< none: no daylight saving time
  std::optional<DstRule> end;
};
/// Errc::protocol.
Result<PosixRule> parse_posix_rule(std::string_view text);

class Zone {
 public:
  /// The bytes of a TZif file, version 2 or newer. Errc::protocol.
  static Result<Zone> parse(std::string_view tzif, std::string name);

  const std::string& name() const { return name_; }
  std::chrono::seconds offset_at(UtcTime time) const;  ///< east of UTC
  LocalTime local(UtcTime time) const;
  /// The first instant at which the clocks on the wall show `time` or later: of an hour that comes
  /// twice its first pass, of one that is left out the moment of the change.
  UtcTime first_instant(LocalTime time) const;

 private:
  std::string name_;
  std::vector<std::int64_t> transitions_;  // ascending
  std::vector<std::int32_t> offsets_;      // from transitions_[i] on
  std::int32_t first_offset_ = 0;          // before the first transition
  std::optional<PosixRule> rule_;          // from the last transition on
};

/// Errc::not_found: there is no such zone. Errc::unavailable: this system has no tz database.
/// Blocks for a file read the first time, and again once an hour, so that an update of the
/// database is noticed.
Result<std::shared_ptr<const Zone>> find_zone(std::string_view name);

}  // namespace call::policy
