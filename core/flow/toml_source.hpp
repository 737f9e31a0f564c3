// An agent's file while it is being read: the document, and errors that name file, line and key.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/json/json.hpp"

namespace call::flow {

class TomlSource {
 public:
  /// Errc::invalid_argument when the text is no TOML. `toml` and `name` are borrowed.
  static Result<TomlSource> parse(std::string_view toml, std::string_view name);
  ~TomlSource();
  TomlSource(TomlSource&&) noexcept;

  const Json& json() const { return *json_; }
  const Json* find(std::string_view path) const { return json::find(*json_, path); }
  /// "name:line: path: why".
  Error fault(std::string_view path, std::string_view why) const;

  /// Every key of the table is among `known`; a missing table is fine. "" is the document.
  Status check_keys(std::string_view path, const std::set<std::string>& known) const;
  Result<std::string> text(const std::string& path, std::size_t max_bytes = 1000) const;
  /// A text to be spoken, with variables (render.hpp).
  Result<std::string> prompt(const std::string& path, std::string_view fallback,
                             std::size_t max_bytes = 1000) const;
  Result<std::int64_t> number(const std::string& path, std::int64_t fallback, std::int64_t least,
                              std::int64_t most) const;
  Result<bool> boolean(const std::string& path, bool fallback) const;
  /// `what` the items are, for the error text. Missing: empty.
  Result<std::vector<std::string>> strings(const std::string& path, std::string_view what) const;

 private:
  TomlSource(std::string_view toml, std::string_view name, Json json);
  std::string_view text_;
  std::string_view name_;
  std::unique_ptr<const Json> json_;
};

}  // namespace call::flow
