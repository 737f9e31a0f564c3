#include "core/policy/number_zones.hpp"

#include <algorithm>
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

}  // namespace

std::vector<std::string_view> zones_of_number(std::string_view e164) {
  static const Table table = read_table();
  if (!e164.starts_with('+')) return {};
  const auto digits = e164.substr(1);
  for (auto size = std::min(digits.size(), table.longest); size > 0; --size) {
    const auto found = table.zones.find(digits.substr(0, size));
    if (found != table.zones.end()) return split(found->second, '&');
  }
  return {};
}

}  // namespace call::policy
