// The configuration as the program sees it: plain structs by section, read once, never changed
// afterwards. What keys exist, their limits and what each is for is declared in schema.cpp and
// nowhere else; calld.toml(5) and `calld config keys` print it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/log/log.hpp"

namespace call::config {

using Millis = std::chrono::milliseconds;
using Path = std::filesystem::path;

/// "HOST:PORT", "[::1]:8080". Port 0 lets the kernel choose.
struct Listen {
  std::string host;
  std::uint16_t port = 0;
  std::string to_string() const;
  bool is_loopback() const;
};

/// A file that holds a secret; empty: not configured. Read it with read_secret().
struct SecretFile {
  Path path;
  std::string key;  ///< the configuration key, for error texts
};

struct Service {
  std::string role;  ///< api | worker | media | sim: the one that cleans up at start
  Path runtime_dir;
};

struct Log {
  std::string level;  ///< a level specification of core/log
  std::string format;
  bool show_numbers = false;
};

struct Database {
  std::string url;  ///< libpq URL or key=value string; may hold a password: never log it
  std::int64_t pool_size = 0;
};

struct Redis {
  std::string url;  ///< may hold a password: never log it
};

struct Carrier {
  std::string base_url;
  std::string account_sid;
  SecretFile auth_token_file;
  SecretFile secondary_auth_token_file;
  Millis timeout{};
  double calls_per_second = 0;
  std::int64_t concurrency = 0;  ///< open calls of the account; 0: no limit
};

struct Api {
  Listen listen;
  std::string public_url;
  std::int64_t threads = 0;
  std::int64_t body_bytes_max = 0;
  std::string default_region;
};

struct Media {
  Listen listen;
  std::string public_url;
  std::string auth;           ///< "signature+token" | "none"
  std::string dialect;        ///< "twilio" | "telnyx"
  Path tls_certificate_file;  ///< empty: no TLS
  Path tls_key_file;
  std::string priority;    ///< "auto" | "normal"
  std::int64_t loops = 0;  ///< 0: one for each core
  std::int64_t max_calls = 0;
  Millis max_call_duration{};
  Path spool_dir;
  Millis drain_timeout{};
  Path agents_dir;  ///< empty: only the built-in agents
};

struct Worker {
  Listen listen;
  std::vector<std::string> queues;
  std::int64_t concurrency = 0;
  std::string name;                              ///< empty: made from host and pid
  std::map<std::string, std::string> functions;  ///< job function -> function or "exec:PROGRAM"
  std::int64_t exec_memory = 0;                  ///< bytes; 0: no limit
  Millis exec_cpu{};                             ///< 0: no limit of its own
  std::int64_t exec_output = 0;                  ///< bytes
  std::string wip_entry;                         ///< "automatic" | "composite" | "bare"
  bool unknown_callbacks_fail = true;
  bool webhooks = true;
  Path spool_dir;
  std::string records_queue;
  Path records_dir;
};

struct Dialer {
  double caller_id_calls_per_second = 0;  ///< 0: no pace of its own
  std::string machine_farewell;
  Millis slice{};
  Millis lease_ttl{};
  Millis unknown_grace{};
  Millis unknown_deadline{};
  Millis overdue_grace{};
};

struct Sim {
  Listen listen;
  Path script;  ///< empty: every number answers
  double calls_per_second = 0;
  Path truth_dir;  ///< empty: nothing is written
  std::int64_t seed = 0;
};

struct Speech {
  Path model_dir;
  std::string voice;
};

struct Record {
  bool tape = false;               ///< for callctl call replay
  std::int64_t redact_digits = 0;  ///< runs of so many or more; 0: none
  std::vector<std::string> redact_words;
  bool redact_audio = true;
  std::int64_t disk_reserve = 0;  ///< bytes
};

/// How long what is personal is kept; 0: for ever.
struct Retention {
  Millis recordings{};
  Millis personal_data{};
};

struct Config {
  Service service;
  Log log;
  Database database;
  Redis redis;
  Carrier carrier;
  Api api;
  Media media;
  Worker worker;
  Dialer dialer;
  Sim sim;
  Speech speech;
  Record record;
  Retention retention;
};

/// A value from the command line. Wins over the environment, which wins over the file, which wins
/// over the default.
struct Flag {
  std::string key;    ///< "media.listen"
  std::string value;  ///< the text as typed
  std::string name;   ///< "--listen", for error texts
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct Sources {
  std::optional<Path>
      file;  ///< --config; else $CALLD_CONFIG; else /etc/calld/calld.toml if it exists
  std::vector<Flag> flags;
  Environment environment;  ///< empty: the process's own
};

struct Loaded {
  Config config;
  Path file;  ///< empty: no file was read
};

/// Reads, checks and merges all sources. Reports every fault at once, one a line, each with
/// file:line or variable or flag, the key, the value and what is allowed. Errc::invalid_argument,
/// or Errc::not_found for a named file that is not there. Blocks (reads the file).
Result<Loaded> load(const Sources& sources);

/// The secret without its trailing newline. Errc::not_found when the key is not set. A file that
/// others may read is logged as a warning. Blocks.
Result<Secret> read_secret(const SecretFile& file);

/// log::Options of [log].
log::Options log_options(const Log& section);

/// Keys of `after` that differ from `before` and need a restart (the rest, [log], can change while
/// running).
std::vector<std::string> changed_keys_that_need_restart(const Config& before, const Config& after);

/// A TOML document as JSON, for agent and simulator files: tables are objects, dates are strings.
/// `name` is the file for error texts, "name:line: why". At most 1 MiB.
Result<nlohmann::json> parse_toml_to_json(std::string_view text, std::string_view name);

}  // namespace call::config
