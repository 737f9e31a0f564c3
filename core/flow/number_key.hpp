// Keys of an agent's file that are numbers, as tables: by them the file is read, and by them a test
// holds docs/turn-taking.md, which has the reasons for the defaults, to the program. Pure.
#pragma once

#include <chrono>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call::flow {

/// Makes the error that names file and line: what is wrong at that path.
using MakeFault = std::function<Error(std::string_view, std::string_view)>;

/// A whole number, in the unit that the key's name ends in.
template <class T>
struct NumberKey {
  std::string_view name;  ///< "turns.pause_ms"
  std::int64_t least = 0;
  std::int64_t most = 0;
  std::int64_t (*get)(const T&);
  void (*set)(T&, std::int64_t);
};

/// nullopt: the file does not have it.
Result<std::optional<std::int64_t>> number_at(const nlohmann::json& file, const std::string& path,
                                              std::int64_t least, std::int64_t most,
                                              const MakeFault& fault);

/// Sets what the file has of `keys`, their names behind `prefix`; the rest stays as it is.
template <class T>
Status read_numbers(const nlohmann::json& file, const std::string& prefix,
                    std::span<const NumberKey<T>> keys, const MakeFault& fault, T& out) {
  for (const auto& key : keys) {
    CALL_TRY(const auto number,
             number_at(file, prefix + std::string(key.name), key.least, key.most, fault));
    if (number) key.set(out, *number);
  }
  return {};
}

/// Between a member and the number in the file: milliseconds and counts as they are, a share of 1 in
/// percent.
inline std::int64_t number_of(std::chrono::milliseconds span) {
  return span.count();
}
inline std::int64_t number_of(float share) {
  return std::lround(share * 100);
}
template <std::integral Count>
std::int64_t number_of(Count count) {
  return count;
}
inline void set_number(std::chrono::milliseconds& span, std::int64_t number) {
  span = std::chrono::milliseconds(number);
}
inline void set_number(float& share, std::int64_t number) {
  share = static_cast<float>(number) / 100;
}
template <std::integral Count>
void set_number(Count& count, std::int64_t number) {
  count = static_cast<Count>(number);
}

}  // namespace call::flow

/// A row of such a table.
#define CALL_NUMBER_KEY(Type, name, least, most, member)                                 \
  ::call::flow::NumberKey<Type> {                                                        \
    name, least, most, [](const Type& t) { return ::call::flow::number_of(t.member); },  \
        [](Type& t, std::int64_t number) { ::call::flow::set_number(t.member, number); } \
  }
/// Of a member in milliseconds whose key is in seconds.
#define CALL_SECONDS_KEY(Type, name, least, most, member)                                       \
  ::call::flow::NumberKey<Type> {                                                               \
    name, least, most, [](const Type& t) { return ::call::flow::number_of(t.member) / 1000; },  \
        [](Type& t, std::int64_t number) { ::call::flow::set_number(t.member, number * 1000); } \
  }
