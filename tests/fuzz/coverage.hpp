// Which ways through the code the last input has taken. Known only in builds with
// -fsanitize-coverage=trace-pc (preset fuzz); elsewhere nothing is ever new.
#pragma once

#include <cstddef>

namespace call::fuzz {

void begin_trace();
/// True when the input since begin_trace() went a way that none before it has gone.
bool is_new_trace();
std::size_t edges_seen();

}  // namespace call::fuzz
