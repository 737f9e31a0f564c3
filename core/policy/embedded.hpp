// The data files of this module, inside the binary. Internal.
#pragma once

#include <string_view>

namespace call::policy {

std::string_view embedded_number_zones();

}  // namespace call::policy
