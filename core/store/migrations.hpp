// The migrations embedded in this binary, in order: 1, 2, 3 ... Internal to this module.
#pragma once

#include <span>
#include <string_view>

namespace call::store {

struct Migration {
  int number;
  std::string_view name;
  std::string_view sql;
};

std::span<const Migration> migrations();

}  // namespace call::store
