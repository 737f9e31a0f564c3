#include "core/contacts/phone.hpp"

#include <phonenumbers/phonenumberutil.h>

#include <set>

namespace call::contacts {

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

namespace {

constexpr std::size_t kMostDigits = 15;

/// A plus and so many digits, the first not 0.
bool is_plus_and_digits(std::string_view text, std::size_t least, std::size_t most) {
  return text.size() > least && text.size() <= most + 1 && text[0] == '+' && text[1] != '0' &&
         text.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

}  // namespace

bool is_e164(std::string_view text) {
  return is_plus_and_digits(text, 7, kMostDigits);
}

bool is_dnc_pattern(std::string_view text) {
  if (!text.ends_with('*')) return is_e164(text);
  text.remove_suffix(1);
  return is_plus_and_digits(text, 1, kMostDigits);
}

std::optional<std::string> to_e164(std::string_view number, std::string_view region) {
  constexpr std::size_t kLongest =
      64;  // libphonenumber itself reads up to 250; no number needs that
  if (number.empty() || number.size() > kLongest) return std::nullopt;
  const auto* util = PhoneNumberUtil::GetInstance();
  PhoneNumber parsed;
  const auto default_region = region.empty() ? std::string("ZZ") : std::string(region);
  if (util->Parse(std::string(number), default_region, &parsed) !=
          PhoneNumberUtil::NO_PARSING_ERROR ||
      parsed.has_extension() || !util->IsValidNumber(parsed)) {
    return std::nullopt;
  }
  std::string text;
  util->Format(parsed, PhoneNumberUtil::E164, &text);
  return text;
}

bool is_number_or_prefix(std::string_view pattern) {
  return pattern.ends_with('*') || to_e164(pattern, "").has_value();
}

bool is_known_region(std::string_view region) {
  std::set<std::string> regions;
  PhoneNumberUtil::GetInstance()->GetSupportedRegions(&regions);
  return regions.contains(std::string(region));
}

}  // namespace call::contacts
