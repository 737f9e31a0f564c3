#include <fmt/format.h>
#include <sys/stat.h>

#include "core/base/files.hpp"
#include "core/config/config.hpp"

namespace call::config {

Result<Secret> read_secret(const SecretFile& file) {
  constexpr std::size_t kSecretBytesMax = 4096;
  if (file.path.empty()) {
    return Error{Errc::not_found, fmt::format("{} is not set: it names the file with the secret",
                                              file.key.empty() ? "a *_file key" : file.key)};
  }
  auto text = read_file(file.path, kSecretBytesMax);
  if (!text) return std::move(text).error().with_context(file.key);
  struct stat info {};
  constexpr mode_t kOthers = S_IRWXO;
  if (::stat(file.path.c_str(), &info) == 0 && (info.st_mode & kOthers) != 0) {
    log::Logger("config").warn("{} can be read by every user: chmod o= {}", file.key,
                               file.path.string());
  }
  std::string secret = *std::move(text);
  if (secret.ends_with('\n')) secret.pop_back();
  if (secret.ends_with('\r')) secret.pop_back();
  if (secret.empty()) {
    return Error{Errc::invalid_argument,
                 fmt::format("{}: {} is empty", file.key, file.path.string())};
  }
  return Secret(std::move(secret));
}

}  // namespace call::config
