#include "daemon/hand_over.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

namespace call::daemon {

void become_program_of(std::string_view role, char** argv) {
  const bool is_name = !role.empty() && std::all_of(role.begin(), role.end(),
                                                    [](char c) { return c >= 'a' && c <= 'z'; });
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!is_name || error) return;
  const std::string name = "calld-" + std::string(role);
  for (const auto& path :
       {own.parent_path() / name, own.parent_path().parent_path() / "libexec" / "calld" / name})
    if (path != own) ::execv(path.c_str(), argv);
}

}  // namespace call::daemon
