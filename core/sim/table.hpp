// A table of a script or of a request to the simulator while it is being read. Pure.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/json/json.hpp"

namespace call::sim {

Error invalid(std::string text);
/// Every key of the table is among `keys`.
Status known_keys(const Json& table, std::initializer_list<std::string_view> keys);

}  // namespace call::sim
