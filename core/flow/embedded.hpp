#pragma once

#include <string_view>

namespace call::flow {

/// agents/survey.toml, as it was when the program was built.
std::string_view embedded_survey();

}  // namespace call::flow
