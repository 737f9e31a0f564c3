#include "daemon/state_dir.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/strings.hpp"
#include "core/config/schema.hpp"
#include "core/crypto/hash.hpp"
#include "daemon/addresses.hpp"

namespace call::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHeader =
    "# Written by `calld up` at each start: changes here are lost. To change a value, give\n"
    "# --set SECTION.KEY=VALUE to `calld up`, or set CALLD_SECTION_KEY in its environment.\n";

// What differs from the built-in defaults when everything runs on one machine with the simulator.
constexpr std::string_view kDefaults = R"([log]
format = "text"
[carrier]
base_url = "{simulator}"
calls_per_second = 20
[media]
spool_dir = "{root}/spool"
drain_timeout = "5s"
[worker]
spool_dir = "{root}/spool"
records_dir = "{root}/records"
[record]
tape = true
[sim]
calls_per_second = 20
truth_dir = "{root}/truth"
)";

std::string environment_or(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::move(fallback) : std::string(value);
}

Status make_directory(const Path& path, fs::perms mode) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error) fs::permissions(path, mode, error);
  if (!error) return {};
  return Error{error == std::errc::permission_denied ? Errc::permission : Errc::io,
               fmt::format("cannot make {}: {}", path.string(), error.message())};
}

void make_absolute(config::Config& config) {
  std::error_code ignored;
  for (const auto& key : config::schema()) {
    const auto slot = key.slot(config);
    Path* path = nullptr;
    if (auto* const* plain = std::get_if<Path*>(&slot)) path = *plain;
    if (auto* const* file = std::get_if<config::SecretFile*>(&slot)) path = &(*file)->path;
    if (path != nullptr && !path->empty()) *path = fs::absolute(*path, ignored);
  }
}

}  // namespace

Path default_state_dir() {
  if (::geteuid() == 0) return "/var/lib/calld/up";
  const auto home = environment_or("HOME", "/tmp");
  return Path(environment_or("XDG_STATE_HOME", home + "/.local/state")) / "calld";
}

Path StateDir::runtime() const {
  constexpr std::size_t kSocketPathMax = 107;  // sockaddr_un
  const Path near = root / "run";
  const std::size_t longest =
      near.string().size() + std::string_view("/worker-4194304.sock").size();
  if (longest <= kSocketPathMax) return near;
  return fmt::format("/tmp/calld-{}-{}", ::geteuid(),
                     crypto::sha256_hex(root.string()).substr(0, 12));
}

Status make_directories(const StateDir& dir) {
  const auto owner_only = fs::perms::owner_all;
  const bool shared = ::geteuid() == 0;
  CALL_CHECK(make_directory(
      dir.root, shared ? owner_only | fs::perms::group_exec | fs::perms::others_exec : owner_only));
  for (const char* name : {"secrets", "log", "spool", "records", "truth"}) {
    CALL_CHECK(make_directory(dir.root / name, owner_only));
  }
  return make_directory(dir.runtime(), owner_only);
}

Result<std::string> keep_secret(const Path& file, std::string_view prefix, std::size_t bytes) {
  if (const auto kept = read_file(file, 4096)) return std::string(trim(*kept));
  auto made = std::string(prefix) + random_hex(bytes);
  CALL_CHECK(write_secret(file, Secret(made)));
  return made;
}

Status write_secret(const Path& file, const Secret& secret) {
  return write_file_atomic(file, secret.reveal() + "\n", 0600);
}

Result<config::Config> make_config(const StateDir& dir, std::vector<config::Flag> flags) {
  auto defaults = replace_all(std::string(kDefaults), "{root}", dir.root.string());
  defaults = replace_all(std::move(defaults), "{simulator}", kSimulatorUrl);
  CALL_CHECK(write_file_atomic(dir.config_file(), defaults, 0600));
  CALL_TRY(const auto account, keep_secret(dir.secret("account_sid"), "AC", 16));
  CALL_CHECK(keep_secret(dir.secret("auth_token"), "", 16));
  CALL_TRY(auto loaded, config::load({dir.config_file(), std::move(flags), {}}));
  config::Config config = std::move(loaded.config);
  if (config.carrier.account_sid.empty()) config.carrier.account_sid = account;
  auto& token = config.carrier.auth_token_file.path;
  if (token.empty()) token = dir.secret("auth_token");
  config.service.runtime_dir = dir.runtime();
  make_absolute(config);
  return config;
}

Status write_config(const StateDir& dir, const config::Config& config) {
  return write_file_atomic(dir.config_file(),
                           std::string(kHeader) + config::render_toml(config, false), 0600);
}

void clear_environment() {
  for (const char* name :
       {"CALLD_CONFIG", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC"}) {
    ::unsetenv(name);
  }
  for (const auto& key : config::schema()) {
    ::unsetenv(key.environment_variable().c_str());
    if (!key.env_alias.empty()) ::unsetenv(std::string(key.env_alias).c_str());
  }
}

}  // namespace call::daemon
