// Calling hours: on which days and at which local times a callee may be called. Pure; times are those
// of the callee's wall clock, so a day with a change to daylight saving time needs no case of its own.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/policy/zone.hpp"

namespace call::policy {

/// "09:00-21:00": from the first minute on, up to and without the last. Never over midnight.
struct Span {
  int from = 0;  ///< minutes of the day, 0 to 1439
  int to = 0;    ///< above `from`, up to 1440
};
using Spans = std::vector<Span>;
/// Errc::invalid_argument.
Result<Span> parse_span(std::string_view text);
std::string to_string(const Span& span);

struct Holiday {
  std::string name;
  Spans open;  ///< mostly none
};

struct Hours {
  std::array<Spans, 7> week;                                ///< index 0 is Monday
  std::map<std::chrono::year_month_day, Holiday> holidays;  ///< of one year
  std::map<std::chrono::month_day, Holiday> yearly;         ///< of every year; a dated one wins
};

using Zones = std::vector<std::shared_ptr<const Zone>>;

bool is_open(const Hours& hours, const Zone& zone, UtcTime time);
/// The holiday that it is at that place, if any.
const Holiday* holiday_at(const Hours& hours, const Zone& zone, UtcTime time);
/// The first moment, not before `from`, at which it is open in every one of the zones; nullopt when
/// there is none within 400 days.
std::optional<UtcTime> next_open(const Hours& hours, const Zones& zones, UtcTime from);
/// When the first of the zones closes that are all open now.
UtcTime closes_at(const Hours& hours, const Zones& zones, UtcTime from);

}  // namespace call::policy
