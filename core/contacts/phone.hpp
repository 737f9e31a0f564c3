// Telephone numbers, and what stands for many of them. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace call::contacts {

/// A plus and 7 to 15 digits, the first not 0: all that a caller id must be. Not every such number can
/// be dialed (to_e164() knows), Twilio's test numbers for one.
bool is_e164(std::string_view text);

/// The number as E.164 ("+14155550123"), or nullopt when it is not a valid number. `region` ("US")
/// is for numbers written without a country code; empty: such numbers are invalid.
std::optional<std::string> to_e164(std::string_view number, std::string_view region);

/// All that a do-not-call rule may stand for: is_e164(), or all numbers that begin so ("+1900*").
bool is_dnc_pattern(std::string_view text);

/// Of a do-not-call pattern that a person wrote: a valid number, or ends with the star that stands for
/// the rest. "+1900" means "+1900*", and as a number it would stop nobody.
bool is_number_or_prefix(std::string_view pattern);

/// True for a region that libphonenumber knows ("US", "IL").
bool is_known_region(std::string_view region);

}  // namespace call::contacts
