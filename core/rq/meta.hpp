// Inside core/rq: a job's `meta`, a dictionary in the job's own serializer. What it holds already is
// kept byte for byte: Python may have put values there that have no JSON form. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/rq/payload.hpp"

namespace call::rq {

inline constexpr std::size_t kMaxMetaBytes = 1U << 20;

/// `meta` as plain values; an empty object for an empty text. Errc::invalid_argument;
/// Errc::conflict when it is an object that only Python can rebuild.
Result<nlohmann::json> decode_meta(std::string_view meta);
/// `meta` with these keys set. A text that is no dictionary is replaced by a new one in `fallback`.
/// Errc::conflict as above, Errc::limit above kMaxMetaBytes.
Result<std::string> merge_meta(std::string_view meta,
                               const std::map<std::string, nlohmann::json>& keys,
                               Serializer fallback);

}  // namespace call::rq
