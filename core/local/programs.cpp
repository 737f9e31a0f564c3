#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "core/base/strings.hpp"
#include "core/local/process.hpp"

namespace call::local {

Result<std::filesystem::path> find_program(std::string_view name, std::string_view package) {
  const char* path = std::getenv("PATH");
  std::string directories = path != nullptr ? path : "";
  directories += ":/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin";
  for (const auto directory : split(directories, ':')) {
    const auto candidate = std::filesystem::path(directory) / name;
    if (candidate.is_absolute() && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return Error{Errc::not_found,
               std::string(name) + " not found: apt-get install " + std::string(package)};
}

Result<std::optional<User>> service_user(const std::vector<std::string>& names) {
  if (geteuid() != 0) return std::optional<User>();
  for (const auto& name : names) {
    passwd entry{};
    passwd* found = nullptr;
    std::string buffer(16384, '\0');
    if (getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 && found) {
      return std::optional<User>(User{name, entry.pw_uid, entry.pw_gid});
    }
  }
  return Error{Errc::not_found, "servers must not run as root, and none of these users exists: " +
                                    join(names, ", ")};
}

}  // namespace call::local
