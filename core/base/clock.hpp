// Wall-clock time as text, in the one form that this project prints and stores: RFC 3339, UTC.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace call {

using WallClock = std::chrono::system_clock;
using WallTime = std::chrono::time_point<WallClock, std::chrono::microseconds>;

WallTime wall_now();
/// "2026-11-23T21:56:03Z"; fraction_digits 0, 3 or 6 adds ".123" or ".123456".
std::string to_rfc3339(WallTime time, int fraction_digits = 0);
/// Accepts "Z" and numeric offsets, 0 to 9 fraction digits; nullopt for anything else.
std::optional<WallTime> parse_rfc3339(std::string_view text);
/// "Mon, 23 Nov 2026 21:56:03 +0000", the form of Twilio's REST answers.
std::string to_rfc2822(WallTime time);
std::optional<WallTime> parse_rfc2822(std::string_view text);

}  // namespace call
