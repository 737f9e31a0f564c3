// The serialized parts of a job: what to call, what came back, what went wrong. Pure.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/json/json.hpp"

namespace call::rq {

/// Not marked in the job: told by the first byte of its data.
enum class Serializer { pickle, json };

inline constexpr std::size_t kMaxDataBytes = 16U << 20;     ///< of a job, uncompressed
inline constexpr std::size_t kMaxFailureBytes = 64U << 10;  ///< of a failure text that we write

struct Call {
  std::string function;  ///< empty when only Python can call it (a bound method)
  Serializer serializer = Serializer::pickle;
  std::string foreign;  ///< a class in the arguments that only Python can rebuild; empty: none
};

/// The `data` field; fills `args` (an array) and `kwargs` (an object). Errc::invalid_argument or
/// Errc::limit.
Result<Call> decode_call(std::string_view data, Json& args, Json& kwargs);
std::string encode_call(std::string_view function, const Json& args, const Json& kwargs,
                        Serializer serializer = Serializer::pickle);

/// "name(1, 'x', k=2)" as RQ writes it, long values cut.
std::string describe_call(std::string_view function, const Json& args, const Json& kwargs);

/// The `return_value` of a result; empty for null, which RQ leaves out.
std::string encode_return(const Json& value, Serializer serializer);
Result<Json> decode_return(std::string_view text);

/// The `exc_string` of a result.
std::string encode_failure(std::string_view text);
Result<std::string> decode_failure(std::string_view text);

}  // namespace call::rq
