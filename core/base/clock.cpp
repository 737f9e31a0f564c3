#include "core/base/clock.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "core/base/crash_point.hpp"

namespace call {
namespace {

using std::chrono::days;
using std::chrono::microseconds;

constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

struct Civil {
  int year = 0;
  unsigned month = 0, day = 0;
  int hour = 0, minute = 0, second = 0, micro = 0;
};

Civil civil(WallTime time) {
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day ymd{day};
  const std::chrono::hh_mm_ss hms{time - day};
  return {static_cast<int>(ymd.year()),
          static_cast<unsigned>(ymd.month()),
          static_cast<unsigned>(ymd.day()),
          static_cast<int>(hms.hours().count()),
          static_cast<int>(hms.minutes().count()),
          static_cast<int>(hms.seconds().count()),
          static_cast<int>(hms.subseconds().count())};
}

std::optional<WallTime> from_civil(const Civil& c, int offset_minutes) {
  const std::chrono::year_month_day ymd{std::chrono::year(c.year), std::chrono::month(c.month),
                                        std::chrono::day(c.day)};
  if (!ymd.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days(ymd).time_since_epoch()) + std::chrono::hours(c.hour) +
         std::chrono::minutes(c.minute - offset_minutes) + std::chrono::seconds(c.second) +
         microseconds(c.micro);
}

/// Reads `width` digits at the front of text; false when they are not there.
template <class T>
bool take_digits(std::string_view& text, std::size_t width, T& out) {
  if (text.size() < width) return false;
  const char* end = text.data() + width;
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  if (error != std::errc() || stop != end || text.front() == '-') return false;
  text.remove_prefix(width);
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool take_fraction(std::string_view& text, int& micro) {
  if (!take(text, '.')) return true;
  int digits = 0;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9' && digits < 9) {
    if (digits < 6) micro = micro * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++digits;
  }
  for (int i = digits; i < 6; ++i) micro *= 10;
  return digits > 0;
}

/// "Z", "+02:00", "-0500".
bool take_offset(std::string_view& text, int& minutes) {
  if (take(text, 'Z') || take(text, 'z')) return true;
  if (text.empty()) return false;
  const int sign = text.front() == '-' ? -1 : 1;
  if (!take(text, '+') && !take(text, '-')) return false;
  int h = 0, m = 0;
  if (!take_digits(text, 2, h)) return false;
  take(text, ':');
  if (!take_digits(text, 2, m)) return false;
  minutes = sign * (h * 60 + m);
  return h < 24 && m < 60;
}

}  // namespace

WallTime wall_now() {
  return std::chrono::floor<microseconds>(WallClock::now()) +
         std::chrono::seconds(crash_clock_offset_s());
}

std::string to_rfc3339(WallTime time, int fraction_digits) {
  const Civil c = civil(time);
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", c.year, c.month, c.day,
                                 c.hour, c.minute, c.second);
  if (fraction_digits == 3) text += fmt::format(".{:03}", c.micro / 1000);
  if (fraction_digits == 6) text += fmt::format(".{:06}", c.micro);
  return text + "Z";
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  Civil c;
  int offset = 0;
  const bool shape =
      take_digits(text, 4, c.year) && take(text, '-') && take_digits(text, 2, c.month) &&
      take(text, '-') && take_digits(text, 2, c.day) &&
      (take(text, 'T') || take(text, 't') || take(text, ' ')) && take_digits(text, 2, c.hour) &&
      take(text, ':') && take_digits(text, 2, c.minute) && take(text, ':') &&
      take_digits(text, 2, c.second) && take_fraction(text, c.micro) && take_offset(text, offset) &&
      text.empty();
  if (!shape) return std::nullopt;
  return from_civil(c, offset);
}

std::string to_rfc2822(WallTime time) {
  const Civil c = civil(time);
  const std::chrono::weekday weekday{std::chrono::floor<days>(time)};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} +0000", kDays[weekday.c_encoding()],
                     c.day, kMonths[c.month - 1], c.year, c.hour, c.minute, c.second);
}

std::optional<WallTime> parse_rfc2822(std::string_view text) {
  if (const auto comma = text.find(", "); comma != std::string_view::npos) {
    text.remove_prefix(comma + 2);
  }
  Civil c;
  int offset = 0;
  if (!take_digits(text, 2, c.day) || !take(text, ' ') || text.size() < 4) return std::nullopt;
  for (unsigned m = 0; m < kMonths.size(); ++m) {
    if (text.substr(0, 3) == kMonths[m]) c.month = m + 1;
  }
  text.remove_prefix(3);
  const bool shape = take(text, ' ') && take_digits(text, 4, c.year) && take(text, ' ') &&
                     take_digits(text, 2, c.hour) && take(text, ':') &&
                     take_digits(text, 2, c.minute) && take(text, ':') &&
                     take_digits(text, 2, c.second) && take(text, ' ');
  if (!shape) return std::nullopt;
  if (text != "GMT" && text != "UTC" && !take_offset(text, offset)) return std::nullopt;
  return from_civil(c, offset);
}

}  // namespace call
