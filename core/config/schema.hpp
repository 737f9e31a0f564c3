// The one table of configuration keys. Parsing, checking, `calld config keys|show` and
// calld.toml(5) all come from it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/config/config.hpp"

namespace call::config {

enum class Type {
  text,
  integer,
  number,
  boolean,
  duration,
  size,
  list,
  table,
  path,
  url,
  listen,
  choice
};

/// Where a key's value lives. Which alternative belongs to which Type is checked when a value is
/// set.
using Slot =
    std::variant<std::string*, std::int64_t*, double*, bool*, Millis*, std::vector<std::string>*,
                 std::map<std::string, std::string>*, Path*, Listen*, SecretFile*>;

struct Key {
  std::string_view section;
  std::string_view name;
  Type type;
  Slot (*slot)(Config&);
  std::string_view fallback;      ///< the default, written as in the environment
  double min = 0;                 ///< integer, number and size; seconds for durations
  double max = 0;                 ///< 0: no limits
  std::string_view choices = {};  ///< "a|b|c"; for url the schemes allowed
  std::string_view help = {};     ///< one or two sentences of mdoc-free text
  bool secret = false;            ///< the value may hold a password: masked when shown
  bool reloadable = false;        ///< SIGHUP applies a change
  std::string_view env_alias = {};

  std::string full_name() const;             ///< "media.max_calls"
  std::string environment_variable() const;  ///< "CALLD_MEDIA_MAX_CALLS"
};

std::span<const Key> schema();
const Key* find_key(std::string_view full_name);
/// What a value of this key may be, for error texts and the manual: "a whole number from 1 to 64".
std::string describe_allowed(const Key& key);
/// What stands before the keys of a section in the manual.
std::string_view section_help(std::string_view section);

/// The options of calld.toml(5) as mdoc lists.
std::string render_mdoc();
/// All keys with type, default and description, for a terminal.
std::string render_help();
/// The configuration in force as TOML that can be loaded again; `masked` hides passwords in URLs.
std::string render_toml(const Config& config, bool masked);

}  // namespace call::config
