// Merges the sources of the configuration: defaults, then the file, then the environment, then
// flags. Every fault of every source is collected, so that an operator mends a file in one go.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/files.hpp"
#include "core/base/strings.hpp"
#include "core/config/config.hpp"
#include "core/config/document.hpp"
#include "core/config/schema.hpp"
#include "core/config/value.hpp"

namespace call::config {
namespace {

constexpr std::string_view kDefaultFile = "/etc/calld/calld.toml";
constexpr std::size_t kCredentialBytesMax = 4096;

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

// Edits (insert, delete, replace) between two short names.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row[b.size()];
}

std::string nearest_key(std::string_view name) {
  constexpr std::size_t kNear = 5;
  std::string best;
  std::size_t best_distance = kNear;
  for (const Key& key : schema()) {
    const auto candidate = key.full_name();
    const auto here = distance(name, candidate);
    if (here < best_distance) {
      best = candidate;
      best_distance = here;
    }
  }
  return best;
}

bool is_under_a_day(Millis span) {
  return span.count() > 0 && span < std::chrono::hours(24);
}

class Merge {
 public:
  Merge() {
    for (const Key& key : schema()) {
      CALL_ASSERT(key.fallback.empty() ||
                  assign(key, {{}, std::string(key.fallback), {}}, config_));
    }
  }

  void take(const Key& key, const RawValue& value, std::string_view where) {
    if (assign(key, value, config_)) return;
    const std::string_view shown = truncate_utf8(value.text, 80);
    faults_.push_back(
        fmt::format("{}: {} = {} is not allowed: it must be {}", where, key.full_name(),
                    key.secret ? "(hidden)" : fmt::format("\"{}\"", shown), describe_allowed(key)));
  }
  void fault(std::string text) { faults_.push_back(std::move(text)); }

  Result<Config> finish() && {
    if (faults_.empty()) check_together();
    if (!faults_.empty()) return Error{Errc::invalid_argument, join(faults_, "\n")};
    return std::move(config_);
  }

 private:
  void check_together() {
    if (config_.media.auth == "none" && !config_.media.listen.is_loopback()) {
      fault(
          fmt::format("media.auth = \"none\" is allowed only on a loopback address, and "
                      "media.listen is {}",
                      config_.media.listen.to_string()));
    }
    if (config_.media.tls_certificate_file.empty() != config_.media.tls_key_file.empty()) {
      fault("media.tls_certificate_file and media.tls_key_file must be set together");
    }
    if (config_.dialer.unknown_deadline < config_.dialer.unknown_grace) {
      fault("dialer.unknown_deadline must not be shorter than dialer.unknown_grace");
    }
    if (const auto url = check_database_url(config_.database.url); !url) fault(url.error().context);
    const auto& keep = config_.retention;
    if (is_under_a_day(keep.recordings) || is_under_a_day(keep.personal_data)) {
      fault("retention.recordings and retention.personal_data must be 0s or at least 1d");
    }
  }

  Config config_;
  std::vector<std::string> faults_;
};

Status take_file(const Path& file, Merge& merge) {
  CALL_TRY(const auto text, read_file(file, 1U << 20));
  const std::string name = file.string();
  CALL_TRY(const auto entries, read_document(text, name));
  for (const Entry& entry : entries) {
    const std::string where = fmt::format("{}:{}", name, entry.line);
    if (const Key* key = find_key(entry.key)) {
      merge.take(*key, entry.value, where);
      continue;
    }
    const auto near = nearest_key(entry.key);
    merge.fault(fmt::format("{}: there is no key {}{}", where, entry.key,
                            near.empty() ? "" : fmt::format("; did you mean {}?", near)));
  }
  return {};
}

// What systemd hands over (systemd.exec(5)): the file carrier.auth_token stands in for the key carrier.auth_token_file,
// and the contents of database.url for that key, which may hold a password. LoadCredential=calld:DIRECTORY hands over
// every file of a directory, as calld_NAME.
Status take_credentials(const Environment& environment, Merge& merge) {
  const auto directory = environment("CREDENTIALS_DIRECTORY");
  if (!directory || directory->empty()) return {};
  for (const Key& key : schema()) {
    const std::string name = key.full_name();
    const bool names_a_file = name.ends_with("_file");
    if (!names_a_file && !key.secret) continue;
    const auto id = names_a_file ? name.substr(0, name.size() - 5) : name;
    for (const auto& file : {Path(*directory) / id, Path(*directory) / ("calld_" + id)}) {
      std::error_code ignored;
      if (!std::filesystem::exists(file, ignored)) continue;
      std::string value = file.string();
      if (!names_a_file) {
        CALL_TRY(const auto text, read_file(file, kCredentialBytesMax));
        value = trim(text);
      }
      merge.take(key, {{}, std::move(value), {}}, file.string());
      break;
    }
  }
  return {};
}

void take_environment(const Environment& environment, Merge& merge) {
  for (const Key& key : schema()) {
    const std::string alias(key.env_alias);
    for (const std::string& name : {alias, key.environment_variable()}) {
      if (name.empty()) continue;
      if (auto text = environment(name)) merge.take(key, {{}, *std::move(text), {}}, name);
    }
  }
}

}  // namespace

Result<Loaded> load(const Sources& sources) {
  const Environment environment = sources.environment ? sources.environment : process_environment;
  Merge merge;
  Path file = sources.file.value_or(Path(environment("CALLD_CONFIG").value_or("")));
  std::error_code ignored;
  if (file.empty() && std::filesystem::exists(kDefaultFile, ignored)) file = kDefaultFile;
  if (!file.empty()) CALL_CHECK(take_file(file, merge));
  CALL_CHECK(take_credentials(environment, merge));
  take_environment(environment, merge);
  for (const Flag& flag : sources.flags) {
    const Key* key = find_key(flag.key);
    CALL_ASSERT(key != nullptr);
    merge.take(*key, {{}, flag.value, {}}, flag.name);
  }
  CALL_TRY(auto config, std::move(merge).finish());
  return Loaded{std::move(config), std::move(file)};
}

std::vector<std::string> changed_keys_that_need_restart(const Config& before, const Config& after) {
  Config old_copy = before;
  Config new_copy = after;
  std::vector<std::string> changed;
  for (const Key& key : schema()) {
    if (!key.reloadable && format_toml(key, old_copy, false) != format_toml(key, new_copy, false)) {
      changed.push_back(key.full_name());
    }
  }
  return changed;
}

log::Options log_options(const Log& section) {
  log::Options options;
  options.levels = section.level;
  options.show_numbers = section.show_numbers;
  if (section.format == "text") options.format = log::Format::text;
  if (section.format == "json") options.format = log::Format::json;
  return options;
}

}  // namespace call::config
