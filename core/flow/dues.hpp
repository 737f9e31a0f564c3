// What is due in a conversation if nothing happens before, on the call's sample clock. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace call::flow {

/// `Kind`: an enum whose last name is kDues.
template <class Kind>
class Dues {
 public:
  std::optional<std::int64_t>& operator[](Kind which) { return points_[which]; }
  std::optional<std::int64_t> next() const {
    std::optional<std::int64_t> first;
    for (const auto& point : points_) {
      if (point && (!first || *point < *first)) first = point;
    }
    return first;
  }
  /// True, once, when its time has come.
  bool take(Kind which, std::int64_t now) {
    if (!points_[which] || now < *points_[which]) return false;
    points_[which].reset();
    return true;
  }
  void clear() { points_ = {}; }

 private:
  std::array<std::optional<std::int64_t>, Kind::kDues> points_;
};

}  // namespace call::flow
