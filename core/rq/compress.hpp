// zlib as RQ uses it: job data and failure texts. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call::rq {

std::string deflate(std::string_view bytes);
/// Errc::limit when the result would be larger than max_bytes, Errc::invalid_argument for anything
/// that is not one complete zlib stream.
Result<std::string> inflate(std::string_view bytes, std::size_t max_bytes);

}  // namespace call::rq
