// Inside core/rq: the values that the pickle machine builds, before they become JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/rq/pickle.hpp"

namespace call::rq::detail {

/// Index of a node. Containers hold indexes, so that an object used twice is one node, as in Python.
using Ref = std::uint32_t;

struct Node {
  enum class Kind : std::uint8_t {
    none,
    boolean,  ///< integer != 0
    integer,
    big_integer,  ///< text: little-endian two's complement
    real,
    text,
    bytes,
    list,
    tuple,
    set,
    dict,      ///< items: key, value, key, value, ...
    global,    ///< type: module.name
    plain,     ///< an object whose text is its whole value
    duration,  ///< timedelta or timezone, integer: microseconds
    uuid,      ///< text: once its state is there
    foreign,   ///< type: the class that only Python can rebuild
  };

  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string text{};
  std::string type{};
  std::vector<Ref> items{};
};

using Nodes = std::vector<Node>;

/// Runs the machine: the node that STOP leaves.
Result<Ref> load(std::string_view bytes, const PickleLimits& limits, Nodes& nodes);

/// What calling class `type` with these arguments makes (REDUCE and NEWOBJ).
Node construct(const Nodes& nodes, const std::string& type, const std::vector<Ref>& args);
/// What BUILD does: only UUID has a state that matters.
void set_state(const Nodes& nodes, Node& object, const Node& state);

/// Little-endian two's complement as decimal digits.
std::string to_decimal(std::string_view little_endian);

}  // namespace call::rq::detail
