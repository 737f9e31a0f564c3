// The command line of calld's programs: what `calld` and `calld-worker` (worker_main.cpp) have in
// common. Main thread only.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/schema.hpp"
#include "daemon/process.hpp"

namespace call::daemon {

/// As callctl(1) documents them.
enum Exit : int { kDone = 0, kFailed = 1, kUsage = 2, kUnavailable = 69 };

struct Arguments {
  std::string config_file;
  std::vector<config::Flag> flags;
  bool burst = false;
  std::function<Result<Exit>()> action;  ///< what the command line asks for, once it is parsed

  config::Sources sources() const;
};

/// An option that stands for a configuration key: it takes the key's description.
void add_key_option(CLI::App& app, Arguments& arguments, const std::string& flag,
                    const std::string& key, const std::string& type);
void add_config_option(CLI::App& app, Arguments& arguments);
/// A subcommand that runs a role.
CLI::App* add_role(CLI::App& app, Arguments& arguments, const std::string& name,
                   const std::string& what, std::function<Status(Process&)> run);
void add_worker(CLI::App& app, Arguments& arguments);

/// Parses, does what is asked for, says what failed; the exit code.
int run_command_line(CLI::App& app, Arguments& arguments, int argc, char** argv);

}  // namespace call::daemon
