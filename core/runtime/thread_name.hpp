#pragma once

#include <string_view>

namespace call::runtime {

/// Names the calling thread as ps(1), gdb and top show it. At most 15 bytes (the kernel's limit):
/// asserted.
void name_this_thread(std::string_view name);

}  // namespace call::runtime
