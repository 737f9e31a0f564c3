// The state directory of `calld up`: where everything of one private installation lies.
//
//   calld.toml   written at each start, 0600; what callctl and the roles read
//   secrets/     auth_token and api_token, made once
//   postgres/ redis/   the private servers
//   log/         ROLE.log of each role
//   run/         control sockets
//   spool/ records/    call records, being written and filed
//   truth/       what the simulated callers heard
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/config.hpp"

namespace call::daemon {

using Path = std::filesystem::path;

/// $XDG_STATE_HOME/calld, else ~/.local/state/calld. For root /var/lib/calld/up, since PostgreSQL's
/// own user must reach it.
Path default_state_dir();

struct StateDir {
  Path root;  ///< absolute

  Path config_file() const { return root / "calld.toml"; }
  Path log_file(std::string_view role) const { return root / "log" / (std::string(role) + ".log"); }
  Path secret(std::string_view name) const { return root / "secrets" / name; }
  /// <root>/run, or a directory below /tmp when that is too long for a socket's address.
  Path runtime() const;
  Path control_socket() const { return runtime() / "up.sock"; }
};

/// Makes the directories that are missing. The root stays open to PostgreSQL's user when we are
/// root; what lies in it does not.
Status make_directories(const StateDir& dir);

/// The secret in the file, made of `bytes` random bytes in hex (behind `prefix`) when it is
/// missing.
Result<std::string> keep_secret(const Path& file, std::string_view prefix, std::size_t bytes);

Status write_secret(const Path& file, const Secret& secret);

/// The configuration of this installation: values made for a rehearsal on one machine, below those
/// of the environment, below `flags`. Paths are absolute.
Result<config::Config> make_config(const StateDir& dir, std::vector<config::Flag> flags);

/// Writes it where callctl and the roles read it.
Status write_config(const StateDir& dir, const config::Config& config);

/// Takes the variables that configure calld out of the environment, so that the roles read the file
/// and nothing else.
void clear_environment();

}  // namespace call::daemon
