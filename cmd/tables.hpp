// The columns of every table and view that callctl prints, by the command that prints it. They stand in one place so
// that the golden tests can draw all of them (tests/unit/cmd/golden_test.cpp).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "cmd/output.hpp"

namespace call::cmd {

struct Table {
  std::string_view name;  ///< "list ls"
  std::vector<Column> columns;
  bool view = false;  ///< of one object, a line a field: for Session::show_one
};

/// All of them. Immutable, thread-safe.
std::span<const Table> tables();

/// The columns of one; a name that is none is a fault of the program.
const std::vector<Column>& table(std::string_view name);

}  // namespace call::cmd
