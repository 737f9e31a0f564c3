#pragma once

#include <string_view>

#include "cmd/output.hpp"

namespace call::cmd {

/// Prints a text for people: through a pager when it is longer than the terminal is high, else as it is. The pager is
/// $CALLCTL_PAGER, else $PAGER, else less; an empty value or "cat" means none. Blocks until it is left.
Status print_paged(std::string_view text, const Screen& screen);

}  // namespace call::cmd
