// The options of `callctl list create`: the file, and the rules by which its people are called.
#pragma once

#include <string>

#include "core/base/result.hpp"
#include "core/store/import.hpp"

namespace CLI {
class App;
}

namespace call::cmd {

struct FileOptions {
  std::string file;
  std::string format;  ///< csv, jsonl; empty: by the file's name
  std::string region;
  std::string not_after;  ///< RFC 3339, for rows that have none; empty: they never expire
  bool strict = false;
  bool dry_run = false;
};

struct CreateOptions {
  std::string name;
  FileOptions file;
  std::string from;
  std::string key;
  std::string amd = "off";
  std::string on_machine = "hang_up";
  std::string unique = "list";
  store::ListSettings settings;
  int ring_timeout_s = 30;
  int time_limit_s = 600;
  int retry_after_s = 300;
};

void declare_file(CLI::App& command, FileOptions& options);
void declare_unique(CLI::App& command, std::string& unique);
void declare_create(CLI::App& command, CreateOptions& options);
/// Errc::invalid_argument names the option.
Result<store::NewList> new_list_of(const CreateOptions& options);

}  // namespace call::cmd
