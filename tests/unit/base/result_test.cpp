#include "core/base/result.hpp"

#include <catch2/catch.hpp>
#include <string>

using namespace call;

namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error{Errc::invalid_argument, "odd"};
  return n / 2;
}

Result<std::string> quarter(int n) {
  CALL_TRY(const int h, half(n).with_context("first half"));
  CALL_TRY(const int q, half(h).with_context("second half"));
  return std::to_string(q);
}

}  // namespace

TEST_CASE("base.result: an error returns early with its context") {
  CHECK(*quarter(8) == "2");
  CHECK(quarter(6).error().context == "second half: odd");
  CHECK(quarter(7).error().to_string() == "first half: odd (invalid_argument)");
}
