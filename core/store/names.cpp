#include "core/store/names.hpp"

#include <string>

namespace call::store {

Status check_identifier(std::string_view what, std::string_view name) {
  constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz0123456789";
  constexpr std::string_view kAll = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  constexpr std::size_t kMost = 63;
  const bool fits = !name.empty() && name.size() <= kMost &&
                    kFirst.find(name[0]) != std::string_view::npos &&
                    name.find_first_not_of(kAll) == std::string_view::npos;
  if (fits) return {};
  return Error{Errc::invalid_argument,
               "the name of " + std::string(what) +
                   " is 1 to 63 of a-z, 0-9, - and _, the first a letter or a digit"};
}

}  // namespace call::store
