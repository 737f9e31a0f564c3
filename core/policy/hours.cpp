#include "core/policy/hours.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/strings.hpp"

namespace call::policy {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::year_month_day;

constexpr int kHorizonDays = 400;

const Holiday* holiday_on(const Hours& hours, local_days day) {
  const year_month_day date(day);
  if (const auto dated = hours.holidays.find(date); dated != hours.holidays.end())
    return &dated->second;
  const auto yearly = hours.yearly.find(date.month() / date.day());
  return yearly == hours.yearly.end() ? nullptr : &yearly->second;
}

const Spans& spans_on(const Hours& hours, local_days day) {
  if (const auto* holiday = holiday_on(hours, day)) return holiday->open;
  return hours.week.at(std::chrono::weekday(day).iso_encoding() - 1);
}

/// The span of its day in which a local time falls.
const Span* span_at(const Hours& hours, LocalTime time) {
  const auto day = floor<days>(time);
  const auto minute = floor<minutes>(time - day).count();
  for (const auto& span : spans_on(hours, day)) {
    if (span.from <= minute && minute < span.to) return &span;
  }
  return nullptr;
}

std::optional<UtcTime> next_open(const Hours& hours, const Zone& zone, UtcTime from) {
  const auto now = zone.local(from);
  if (span_at(hours, now)) return from;
  const auto today = floor<days>(now);
  for (auto day = today; day <= today + days(kHorizonDays); day += days(1)) {
    for (const auto& span : spans_on(hours, day)) {
      const auto opens = zone.first_instant(day + minutes(span.from));
      // A span that the change to daylight saving time leaves out opens at no time of that day.
      if (opens > from && span_at(hours, zone.local(opens))) return opens;
    }
  }
  return std::nullopt;
}

std::optional<int> clock(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = parse_number<int>(text.substr(0, 2));
  const auto minute = parse_number<int>(text.substr(3));
  if (!hour || !minute || *hour < 0 || *minute < 0 || *minute > 59) return std::nullopt;
  const int total = *hour * 60 + *minute;
  return total <= 1440 ? std::optional(total) : std::nullopt;
}

}  // namespace

Result<Span> parse_span(std::string_view text) {
  const auto dash = text.find('-');
  const auto from = clock(text.substr(0, dash));
  const auto to = dash == std::string_view::npos ? std::nullopt : clock(text.substr(dash + 1));
  if (from && to && *from < *to) return Span{*from, *to};
  return Error{Errc::invalid_argument,
               fmt::format("\"{}\" is no span of a day such as \"09:00-21:00\" (24:00 is its end; "
                           "over midnight it is two spans)",
                           text)};
}

std::string to_string(const Span& span) {
  return fmt::format("{:02}:{:02}-{:02}:{:02}", span.from / 60, span.from % 60, span.to / 60,
                     span.to % 60);
}

bool is_open(const Hours& hours, const Zone& zone, UtcTime time) {
  return span_at(hours, zone.local(time)) != nullptr;
}

const Holiday* holiday_at(const Hours& hours, const Zone& zone, UtcTime time) {
  return holiday_on(hours, floor<days>(zone.local(time)));
}

std::optional<UtcTime> next_open(const Hours& hours, const Zones& zones, UtcTime from) {
  auto at = from;
  // Each round moves to an opening of a zone that is closed at `at`; nothing earlier can suit all.
  while (at - from <= days(kHorizonDays)) {
    auto latest = at;
    for (const auto& zone : zones) {
      const auto opens = next_open(hours, *zone, at);
      if (!opens) return std::nullopt;
      latest = std::max(latest, *opens);
    }
    if (latest == at) return at;
    at = latest;
  }
  return std::nullopt;
}

UtcTime closes_at(const Hours& hours, const Zones& zones, UtcTime from) {
  auto first = from + days(1);
  for (const auto& zone : zones) {
    const auto now = zone->local(from);
    const auto day = floor<days>(now);
    const auto* span = span_at(hours, now);
    if (span == nullptr) return from;
    first = std::min(first, zone->first_instant(day + minutes(span->to)));
  }
  return first;
}

}  // namespace call::policy
