// Python's pickle, the subset that carries plain data. Reading never runs, imports or looks up
// anything: classes are names, and the few that are data (datetime, Decimal, UUID, ...) are read
// here. Pure.
//
// In JSON, tuples and sets are arrays, bytes are JSON binary values, datetime, date and time are ISO
// 8601 texts, a timedelta is a number of seconds, Decimal, UUID, complex and whole numbers beyond 64
// bits are their usual text. Dictionary keys that are numbers, booleans or None become text as
// Python's json module writes them.
#pragma once

#include <cstddef>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/json/json.hpp"

namespace call::rq {

struct PickleLimits {
  std::size_t values = 200'000;        ///< made while reading, and in the result
  std::size_t depth = 100;             ///< nested containers
  std::size_t text_bytes = 64U << 20;  ///< all texts of the result together
  std::size_t integer_bytes = 64;
};

/// Errc::invalid_argument with the byte offset, or Errc::limit. An object that only Python can
/// rebuild makes `*foreign` its class ("zoneinfo.ZoneInfo") and is the text "<its class>" in the
/// result; with a null `foreign` it is an error.
Result<Json> unpickle(std::string_view bytes, std::string* foreign = nullptr,
                      const PickleLimits& limits = {});

/// Protocol 4, which every Python since 3.4 reads. Invalid UTF-8 becomes U+FFFD.
std::string pickle(const Json& value);
/// The pickle of a dictionary with these keys set in it; all that it holds is kept as it is. `bytes`
/// must be a pickle that unpickle() has read as an object.
std::string extend_pickle(std::string_view bytes,
                          const std::map<std::string, nlohmann::json>& keys);
/// (function, None, args, kwargs): the data of a job. `args` is an array, `kwargs` an object.
std::string pickle_call(std::string_view function, const Json& args, const Json& kwargs);

}  // namespace call::rq
