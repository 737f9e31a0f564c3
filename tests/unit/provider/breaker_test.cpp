#include "core/provider/breaker.hpp"

#include <catch2/catch.hpp>

using namespace call;
using call::provider::Breaker;
using namespace std::chrono_literals;

TEST_CASE("provider.breaker: opens after failures in a row, lets one try after the pause") {
  Breaker breaker({3, 10s});
  const Breaker::Time start{1h};
  for (int i = 0; i < 2; ++i) breaker.failed(start);
  CHECK(breaker.admit(start));
  breaker.failed(start);
  CHECK_FALSE(breaker.admit(start));
  CHECK_FALSE(breaker.admit(start + 9s));
  CHECK(breaker.admit(start + 10s));
  CHECK_FALSE(breaker.admit(start + 10s));  // the others wait for what comes of it
  breaker.failed(start + 11s);
  CHECK_FALSE(breaker.admit(start + 20s));
  CHECK(breaker.admit(start + 21s));
  breaker.succeeded();
  CHECK(breaker.admit(start + 21s));
  CHECK(breaker.admit(start + 21s));
}

TEST_CASE("provider.breaker: a success in between makes the count begin anew") {
  Breaker breaker({2, 10s});
  breaker.failed();
  breaker.succeeded();
  breaker.failed();
  CHECK(breaker.admit());
}

TEST_CASE("provider.breaker: a trial of which nothing is heard does not keep it shut for ever") {
  Breaker breaker({1, 10s});
  const Breaker::Time start{1h};
  breaker.failed(start);
  CHECK(breaker.admit(start + 10s));
  CHECK_FALSE(breaker.admit(start + 19s));
  CHECK(breaker.admit(start + 20s));
}
