// In which time zones a telephone number can be: by its longest known prefix where the prefix tells the place, else
// (mobiles of most countries, numbers without a place) all of its country code. The table and the rule are
// libphonenumber's (data/number_zones.txt, in the binary). An area code says where a number was given
// out, not where its owner is: a zone that is known of the person is always better. Thread-safe.
#pragma once

#include <string_view>
#include <vector>

namespace call::policy {

/// Names of the tz database; empty when the table does not know the number (satellite telephones).
/// Several: the number can be in any of them. `e164` is "+14155550123". The views live for ever.
std::vector<std::string_view> zones_of_number(std::string_view e164);

}  // namespace call::policy
