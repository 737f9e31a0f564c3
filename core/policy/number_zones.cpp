// As libphonenumber's own mapper does it: only of a number whose beginning says where it is (a fixed line; a mobile
// in few countries) the longest prefix is asked. Any other can be wherever its country code can be: the table's line
// for 614 says Sydney, but an Australian mobile may well be in Perth.
#include "core/policy/number_zones.hpp"

#include <phonenumbers/phonenumberutil.h>

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_map>

#include "core/base/strings.hpp"
#include "core/policy/embedded.hpp"

namespace call::policy {
namespace {

struct Table {
  std::unordered_map<std::string_view, std::string_view> zones;  // prefix -> "A&B"
  std::size_t longest = 0;
};

Table read_table() {
  Table out;
  for (const auto line : split(embedded_number_zones(), '\n')) {
    const auto space = line.find(' ');
    if (line.starts_with('#') || space == std::string_view::npos) continue;
    out.zones.emplace(line.substr(0, space), line.substr(space + 1));
    out.longest = std::max(out.longest, space);
  }
  return out;
}

/// "A&B" of the longest prefix that the table has; empty: it has none.
std::string_view longest_match(const Table& table, std::string_view digits) {
  for (auto size = std::min(digits.size(), table.longest); size > 0; --size) {
    const auto found = table.zones.find(digits.substr(0, size));
    if (found != table.zones.end()) return found->second;
  }
  return {};
}

struct Place {
  int country_code = 0;
  bool told_by_prefix = false;
};

std::optional<Place> place_of(std::string_view e164) {
  using i18n::phonenumbers::PhoneNumberUtil;
  constexpr int kIndonesia = 62;
  const auto* util = PhoneNumberUtil::GetInstance();
  i18n::phonenumbers::PhoneNumber number;
  if (util->Parse(std::string(e164), "ZZ", &number) != PhoneNumberUtil::NO_PARSING_ERROR)
    return std::nullopt;
  // libphonenumber counts Indonesia's mobiles among those with a place, since some of its fixed lines look like
  // mobiles. Its table knows no place of them: they are in all of the country, which has three zones.
  const bool nowhere =
      number.country_code() == kIndonesia && util->GetNumberType(number) == PhoneNumberUtil::MOBILE;
  return Place{number.country_code(), !nowhere && util->IsNumberGeographical(number)};
}

}  // namespace

std::vector<std::string_view> zones_of_number(std::string_view e164) {
  static const Table table = read_table();
  if (!e164.starts_with('+')) return {};
  const auto place = place_of(e164);
  if (!place) return {};
  const auto zones = place->told_by_prefix
                         ? longest_match(table, e164.substr(1))
                         : longest_match(table, std::to_string(place->country_code));
  return zones.empty() ? std::vector<std::string_view>() : split(zones, '&');
}

}  // namespace call::policy
