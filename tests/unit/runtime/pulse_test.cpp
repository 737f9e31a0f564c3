#include "core/runtime/pulse.hpp"

#include <catch2/catch.hpp>

namespace call::runtime {
namespace {

TEST_CASE("runtime.pulse: a board without pulses has nothing to say") {
  CHECK_FALSE(Pulses().slowest());
}

TEST_CASE("runtime.pulse: the one that has not beaten for longest is named") {
  Pulses board;
  Pulse first(&board, "first");
  Pulse second(&board, "second");
  first.beat();
  REQUIRE(board.slowest());
  CHECK(board.slowest()->name == "second");
  second.beat();
  CHECK(board.slowest()->name == "first");
  CHECK(board.slowest()->silence >= MonoClock::duration::zero());
}

TEST_CASE("runtime.pulse: one that has ended is not waited for") {
  Pulses board;
  Pulse stays(&board, "stays");
  {
    const Pulse ends(&board, "ends");
    stays.beat();
    CHECK(board.slowest()->name == "ends");
  }
  CHECK(board.slowest()->name == "stays");
}

TEST_CASE("runtime.pulse: without a board nobody looks") {
  Pulse alone(nullptr, "alone");
  alone.beat();
}

}  // namespace
}  // namespace call::runtime
