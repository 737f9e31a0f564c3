#include "core/rq/registry.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace rq = call::rq;

TEST_CASE("rq.registry: an alias runs what its target runs") {
  rq::Registry registry;
  registry.add("calld.noop", rq::noop);
  CHECK(registry.alias("jobs.noop", "calld.noop"));
  CHECK(registry.find("jobs.noop") != nullptr);
  CHECK(registry.find("jobs.other") == nullptr);
  CHECK(registry.names() == std::vector<std::string>{"calld.noop", "jobs.noop"});
}

TEST_CASE("rq.registry: an alias of nothing and an alias in the way are refused") {
  rq::Registry registry;
  registry.add("a", rq::noop);
  registry.add("b", rq::noop);
  CHECK(registry.alias("c", "nothing").error().code == call::Errc::not_found);
  CHECK(registry.alias("b", "a").error().code == call::Errc::conflict);
}
