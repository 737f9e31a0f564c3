// The prefix table in the binary, so that it runs from anywhere.
#include "core/policy/embedded.hpp"

#include <cstddef>

__asm__(
    ".section .rodata.call_number_zones, \"a\"\n"
    ".global call_number_zones\n"
    ".global call_number_zones_end\n"
    "call_number_zones:\n"
    ".incbin \"" CALL_NUMBER_ZONES
    "\"\n"
    "call_number_zones_end:\n"
    ".byte 0\n"
    ".previous\n");

extern "C" {
extern const char call_number_zones[];
extern const char call_number_zones_end[];
}

namespace call::policy {

std::string_view embedded_number_zones() {
  return {call_number_zones, static_cast<std::size_t>(call_number_zones_end - call_number_zones)};
}

}  // namespace call::policy
