// Inside core/config: one value between text and its typed slot. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/schema.hpp"

namespace call::config {

/// A value as a source gave it. The file knows what kind it wrote; variables and flags are plain
/// text.
struct RawValue {
  enum class Kind { plain, string, integer, floating, boolean, list, table, other };
  Kind kind = Kind::plain;
  std::string text;                              ///< as written, for error texts and for parsing
  std::vector<std::string> items;                ///< only for Kind::list
  std::map<std::string, std::string> entries{};  ///< only for Kind::table
};

/// False when the value is not what describe_allowed(key) says.
bool assign(const Key& key, const RawValue& value, Config& config);

/// As it would be written in TOML; `masked` hides the passwords in URLs.
std::string format_toml(const Key& key, Config& config, bool masked);

std::optional<Millis> parse_duration(std::string_view text);  ///< "500ms", "30s", "5m", "2h", "1d"
std::optional<std::int64_t> parse_size(
    std::string_view text);  ///< "512", "64K", "16M", "1G": bytes
std::optional<Listen> parse_listen(std::string_view text);
/// "redis://user:secret@host" -> "redis://user:***@host"; also password=... of libpq's other form. Rather too much is
/// hidden than too little.
std::string mask_password(std::string_view url);
/// libpq understands it, and will not take a part of the password for a host. The error quotes nothing.
Status check_database_url(const std::string& url);

}  // namespace call::config
