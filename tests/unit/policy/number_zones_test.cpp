#include "core/policy/number_zones.hpp"

#include <set>

#include "core/base/strings.hpp"
#include "core/policy/embedded.hpp"
#include "tests/unit/policy/times.hpp"

namespace call::policy::test {

using Names = std::vector<std::string_view>;

TEST_CASE("the longest prefix decides") {
  CHECK(zones_of_number("+14155550123") == Names{"America/Los_Angeles"});
  CHECK(zones_of_number("+12125550123") == Names{"America/New_York"});
  CHECK(zones_of_number("+972501234567") == Names{"Asia/Jerusalem"});
  CHECK(zones_of_number("+442079460000") == Names{"Europe/London"});
}

TEST_CASE("a mobile is wherever its country is") {
  CHECK(zones_of_number("+79161234567").size() == 16);   // the prefix 79 alone would be Moscow
  CHECK(zones_of_number("+61491570156").size() == 8);    // 614: Sydney
  CHECK(zones_of_number("+6281234567890").size() == 3);  // 628: Jakarta
  CHECK(zones_of_number("+5592987654321") == Names{"America/Manaus"});  // these have a place
}

TEST_CASE("a number that can be anywhere has every zone that it can be in") {
  const auto toll_free = zones_of_number("+18005550123");
  CHECK(toll_free.size() > 20);
}

TEST_CASE("what the table does not know has no zone") {
  CHECK(zones_of_number("").empty());
  CHECK(zones_of_number("14155550123").empty());
  CHECK(zones_of_number("+0").empty());
}

TEST_CASE("every zone of the table is in this system's database") {
  std::set<std::string_view> names;
  for (const auto line : split(embedded_number_zones(), '\n')) {
    const auto space = line.find(' ');
    if (line.starts_with('#') || space == std::string_view::npos) continue;
    for (const auto name : split(line.substr(space + 1), '&')) names.insert(name);
  }
  CHECK(names.size() > 200);
  for (const auto name : names) zone(name);
}

}  // namespace call::policy::test
