// Text from outside as HTML. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace call::report {

/// Safe between tags and in quoted attributes: markup is escaped, control characters and invalid
/// UTF-8 become U+FFFD.
std::string escape(std::string_view text);
/// escape() in its own direction: a right-to-left name leaves what stands around it alone.
std::string isolated(std::string_view text);
/// "1:03.2"
std::string clock_text(std::int64_t ms);
/// A share as CSS: "12.34%".
std::string percent(double part, double whole);

}  // namespace call::report
