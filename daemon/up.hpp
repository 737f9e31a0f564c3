// `calld up`: a whole installation on one machine, with a PostgreSQL and a Redis of its own.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/config.hpp"

namespace call::daemon {

struct UpOptions {
  std::filesystem::path state_dir;
  std::vector<config::Flag> settings;  ///< --set
  bool free_ports = false;             ///< listen on ports that the kernel chooses
};

/// Starts everything and keeps it running until told to end. Main thread, before any other exists.
Status run_up(const UpOptions& options);

/// Prints what a running `calld up` says about itself; false when it is not ready or not running.
Result<bool> print_up_status(const std::filesystem::path& state_dir, bool as_json);
/// Waits until the `calld up` of this directory, which may only just be starting, is ready.
Status wait_until_up(const std::filesystem::path& state_dir, std::chrono::seconds patience);
/// Ends it and waits for its end. Nothing running is success.
Status stop_up(const std::filesystem::path& state_dir);

}  // namespace call::daemon
