// Inside core/log: where a finished line goes. Nothing outside this module includes it.
#pragma once

#include "core/log/line.hpp"

namespace call::log {

/// Thread-safe. To the log thread of the current Session, else straight to stderr.
void write_line(const Line& line);

}  // namespace call::log
