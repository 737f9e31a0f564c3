#include "core/flow/toml_source.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/config/config.hpp"
#include "core/flow/render.hpp"
#include "core/flow/toml_lines.hpp"

namespace call::flow {

TomlSource::TomlSource(std::string_view toml, std::string_view name, Json json)
    : text_(toml), name_(name), json_(std::make_unique<const Json>(std::move(json))) {}
TomlSource::~TomlSource() = default;
TomlSource::TomlSource(TomlSource&&) noexcept = default;

Result<TomlSource> TomlSource::parse(std::string_view toml, std::string_view name) {
  CALL_TRY(Json document, config::parse_toml_to_json(toml, name));
  return TomlSource(toml, name, std::move(document));
}

Error TomlSource::fault(std::string_view path, std::string_view why) const {
  return {Errc::invalid_argument,
          fmt::format("{}:{}: {}: {}", name_, line_of(text_, path), path, why)};
}

Status TomlSource::check_keys(std::string_view path, const std::set<std::string>& known) const {
  const Json* table = path.empty() ? json_.get() : find(path);
  if (table == nullptr) return {};
  if (!table->is_object()) return fault(path, "must be a table");
  for (const auto& [key, value] : table->items()) {
    if (known.contains(key)) continue;
    return fault(path.empty() ? key : fmt::format("{}.{}", path, key), "unknown key");
  }
  return {};
}

Result<std::string> TomlSource::text(const std::string& path, std::size_t max_bytes) const {
  auto text = json::get_string_or(*json_, path, "");
  if (!text) return fault(path, text.error().context);
  if (text->size() > max_bytes) return fault(path, fmt::format("longer than {} bytes", max_bytes));
  return text;
}

Result<std::string> TomlSource::prompt(const std::string& path, std::string_view fallback,
                                       std::size_t max_bytes) const {
  CALL_TRY(auto words, text(path, max_bytes));
  if (words.empty()) words = fallback;
  if (const auto good = check_template(words); !good) return fault(path, good.error().context);
  return words;
}

Result<std::int64_t> TomlSource::number(const std::string& path, std::int64_t fallback,
                                        std::int64_t least, std::int64_t most) const {
  const auto value = json::get_int_or(*json_, path, fallback);
  if (!value) return fault(path, value.error().context);
  if (*value < least || *value > most)
    return fault(path, fmt::format("must be between {} and {}", least, most));
  return *value;
}

Result<bool> TomlSource::boolean(const std::string& path, bool fallback) const {
  const auto value = json::get_bool_or(*json_, path, fallback);
  if (!value) return fault(path, value.error().context);
  return *value;
}

Result<std::vector<std::string>> TomlSource::strings(const std::string& path,
                                                     std::string_view what) const {
  std::vector<std::string> texts;
  const Json* items = find(path);
  if (items == nullptr) return texts;
  const auto wrong = fmt::format("must be an array of {}", what);
  if (!items->is_array()) return fault(path, wrong);
  for (const auto& item : *items) {
    if (!item.is_string()) return fault(path, wrong);
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

}  // namespace call::flow
