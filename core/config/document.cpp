#include "core/config/document.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/config/schema.hpp"
#include "core/json/json.hpp"

namespace call::config {
namespace {

constexpr std::size_t kTextBytesMax = 1U << 20;
constexpr std::size_t kDepthMax = 64;

Result<toml::table> parse(std::string_view text, std::string_view name) {
  if (text.size() > kTextBytesMax) {
    return Error{Errc::limit, fmt::format("{} is larger than {} bytes", name, kTextBytesMax)};
  }
  try {
    return toml::parse(text, name);
  } catch (const toml::parse_error& e) {
    return Error{Errc::invalid_argument, fmt::format("{}:{}: not valid TOML: {}", name,
                                                     e.source().begin.line, e.description())};
  }
}

std::string as_written(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  std::ostringstream out;
  out << toml::node_view<const toml::node>(node);
  return out.str();
}

RawValue raw_value(const toml::node& node) {
  using Kind = RawValue::Kind;
  RawValue value{Kind::other, as_written(node), {}};
  if (node.is_string()) value.kind = Kind::string;
  if (node.is_integer()) value.kind = Kind::integer;
  if (node.is_floating_point()) value.kind = Kind::floating;
  if (node.is_boolean()) value.kind = Kind::boolean;
  if (const auto* array = node.as_array()) {
    const bool strings = array->empty() || array->is_homogeneous<std::string>();
    if (strings) value.kind = Kind::list;
    for (const auto& item : *array) value.items.push_back(as_written(item));
  }
  return value;
}

// Kind::table only when all its values are texts.
RawValue raw_table(const toml::table& table) {
  RawValue value{RawValue::Kind::table, as_written(table), {}};
  for (const auto& [key, node] : table) {
    if (!node.is_string() || key.str().empty()) value.kind = RawValue::Kind::other;
    value.entries.emplace(std::string(key.str()), as_written(node));
  }
  return value;
}

void flatten(const toml::table& table, const std::string& prefix, std::vector<Entry>& entries) {
  for (const auto& [key, node] : table) {
    const std::string path =
        prefix.empty() ? std::string(key.str()) : fmt::format("{}.{}", prefix, key.str());
    const auto* inner = node.as_table();
    const Key* declared = find_key(path);
    if (inner != nullptr && declared != nullptr && declared->type == Type::table) {
      entries.push_back({path, raw_table(*inner), key.source().begin.line});
    } else if (inner != nullptr) {
      flatten(*inner, path, entries);
    } else {
      entries.push_back({path, raw_value(node), key.source().begin.line});
    }
  }
}

Result<Json> to_json(const toml::node& node, std::string_view name, std::size_t depth) {
  if (depth > kDepthMax) {
    return Error{Errc::limit, fmt::format("{}:{}: nested deeper than {}", name,
                                          node.source().begin.line, kDepthMax)};
  }
  if (const auto* table = node.as_table()) {
    Json object = Json::object();
    for (const auto& [key, value] : *table) {
      CALL_TRY(object[std::string(key.str())], to_json(value, name, depth + 1));
    }
    return object;
  }
  if (const auto* array = node.as_array()) {
    Json list = Json::array();
    for (const auto& value : *array) {
      CALL_TRY(auto item, to_json(value, name, depth + 1));
      list.push_back(std::move(item));
    }
    return list;
  }
  if (const auto* integer = node.as_integer()) return Json(integer->get());
  if (const auto* floating = node.as_floating_point()) return Json(floating->get());
  if (const auto* boolean = node.as_boolean()) return Json(boolean->get());
  return Json(as_written(node));
}

}  // namespace

Result<std::vector<Entry>> read_document(std::string_view text, std::string_view name) {
  CALL_TRY(const toml::table table, parse(text, name));
  std::vector<Entry> entries;
  flatten(table, "", entries);
  return entries;
}

Result<Json> parse_toml_to_json(std::string_view text, std::string_view name) {
  CALL_TRY(const toml::table table, parse(text, name));
  return to_json(table, name, 0);
}

}  // namespace call::config
