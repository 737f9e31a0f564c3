#include "daemon/hand_over.hpp"

#include <algorithm>
#include <string>

#include "core/base/program.hpp"

namespace call::daemon {

void become_program_of(std::string_view role, char** argv) {
  const bool is_name = !role.empty() && std::all_of(role.begin(), role.end(),
                                                    [](char c) { return c >= 'a' && c <= 'z'; });
  if (is_name) become_program("calld-" + std::string(role), argv);
}

}  // namespace call::daemon
