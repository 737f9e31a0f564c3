#include "core/rq/meta.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/rq/pickle.hpp"

namespace call::rq {
namespace {

constexpr json::Limits kLimits = {.bytes = kMaxMetaBytes, .depth = 100};

bool is_json(std::string_view meta) {
  return meta.starts_with('{');
}

std::string merge_json(Json document, const std::map<std::string, Json>& keys) {
  for (const auto& [key, value] : keys) document[key] = value;
  return json::dump(document);
}

}  // namespace

Result<Json> decode_meta(std::string_view meta) {
  if (meta.empty()) return Json(Json::object());
  if (meta.size() > kMaxMetaBytes) return Error{Errc::limit, "a meta that is too large"};
  std::string foreign;
  auto value = is_json(meta) ? json::parse(meta, kLimits, "meta") : unpickle(meta, &foreign);
  if (!value || value->is_object()) return value;
  if (foreign.empty()) return Error{Errc::invalid_argument, "a meta that is no dictionary"};
  return Error{Errc::conflict,
               fmt::format("the meta is a {}, which only Python can change", foreign)};
}

Result<std::string> merge_meta(std::string_view meta, const std::map<std::string, Json>& keys,
                               Serializer fallback) {
  if (meta.size() > kMaxMetaBytes)
    return Error{Errc::limit, fmt::format("the meta is larger than {} bytes", kMaxMetaBytes)};
  const auto old = decode_meta(meta);
  std::string out;
  if (!old || meta.empty()) {
    if (!old && old.error().code == Errc::conflict) return old.error();
    out = fallback == Serializer::json ? merge_json(Json::object(), keys)
                                       : extend_pickle(pickle(Json::object()), keys);
  } else {
    out = is_json(meta) ? merge_json(*old, keys) : extend_pickle(meta, keys);
  }
  if (out.size() > kMaxMetaBytes)
    return Error{Errc::limit, fmt::format("the meta would exceed {} bytes", kMaxMetaBytes)};
  return out;
}

}  // namespace call::rq
