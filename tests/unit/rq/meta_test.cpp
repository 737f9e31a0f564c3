#include "core/rq/meta.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/rq/pickle.hpp"
#include "tests/unit/rq/pickle_vectors.hpp"

namespace rq = call::rq;
using call::Errc;
using call::Json;

TEST_CASE("rq.meta: an empty one becomes a dictionary in the job's serializer") {
  const auto pickled = rq::merge_meta("", {{"percent", 5}}, rq::Serializer::pickle);
  REQUIRE(pickled);
  CHECK(*rq::unpickle(*pickled) == Json({{"percent", 5}}));
  CHECK(*rq::merge_meta("", {{"percent", 5}}, rq::Serializer::json) == "{\"percent\":5}");
}

TEST_CASE("rq.meta: what is there stays byte for byte, and is told from JSON by itself") {
  const std::string old = rq::pickle({{"a", {1, 2}}, {"percent", 1}});
  const auto merged = rq::merge_meta(old, {{"percent", 50}}, rq::Serializer::json);
  REQUIRE(merged);
  CHECK(merged->starts_with(old.substr(0, old.size() - 1)));
  CHECK(*rq::decode_meta(*merged) == Json({{"a", {1, 2}}, {"percent", 50}}));
  CHECK(*rq::merge_meta("{\"a\":1}", {{"b", 2}}, rq::Serializer::pickle) == "{\"a\":1,\"b\":2}");
}

TEST_CASE("rq.meta: what nobody can read is replaced, what only Python can is left alone") {
  for (const std::string bad : {"x", "[1]", "\x80\x04K\x01."})
    CHECK(*rq::merge_meta(bad, {{"b", 2}}, rq::Serializer::json) == "{\"b\":2}");
  const std::string foreign =
      "\x80\x04\x8c\x04shop\x8c\x04"
      "Meta\x93)R.";
  CHECK(rq::merge_meta(foreign, {{"b", 2}}, rq::Serializer::json).error().code == Errc::conflict);
  CHECK(rq::merge_meta(std::string(rq::kMaxMetaBytes + 1, 'x'), {}, rq::Serializer::json)
            .error()
            .code == Errc::limit);
  CHECK(rq::merge_meta("", {{"b", std::string(rq::kMaxMetaBytes, 'x')}}, rq::Serializer::json)
            .error()
            .code == Errc::limit);
}
