#include "core/rq/payload.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/crypto/base64.hpp"
#include "core/rq/compress.hpp"
#include "tests/unit/rq/pickle_vectors.hpp"

namespace rq = call::rq;
using call::Errc;
using call::Json;

namespace {

rq::Call decode(std::string_view data, Json& args, Json& kwargs) {
  auto call = rq::decode_call(data, args, kwargs);
  if (!call) FAIL(call.error().to_string());
  return *call;
}

}  // namespace

TEST_CASE("rq.payload: a call survives the way through Redis") {
  Json args;
  Json kwargs;
  const auto call =
      decode(rq::encode_call("calld.noop", {1, "a", {{"k", nullptr}}}, {{"key", 2}}), args, kwargs);
  CHECK(call.function == "calld.noop");
  CHECK(call.serializer == rq::Serializer::pickle);
  CHECK(call.foreign.empty());
  CHECK(args == Json::parse(R"([1, "a", {"k": null}])"));
  CHECK(kwargs == Json::parse(R"({"key": 2})"));
}

TEST_CASE("rq.payload: JSONSerializer's data is told apart by its first byte") {
  Json args;
  Json kwargs;
  const auto call = decode(rq::deflate(R"(["tasks.add", null, [1, 2], {}])"), args, kwargs);
  CHECK(call.serializer == rq::Serializer::json);
  CHECK(args == Json::parse("[1,2]"));
}

TEST_CASE("rq.payload: data that was never compressed is read, too") {
  Json args;
  Json kwargs;
  CHECK(decode(R"(["f", null, [], {}])", args, kwargs).function == "f");
}

TEST_CASE("rq.payload: a bound method is foreign") {
  Json args;
  Json kwargs;
  CHECK(decode(R"(["method", {"self": 1}, [], {}])", args, kwargs).foreign == "bound method");
}

TEST_CASE("rq.payload: anything else is an error") {
  Json args;
  Json kwargs;
  for (const char* bad : {"", "x", "[]", "[1,2,3,4]", R"(["f", null, 1, {}])",
                          R"(["f", null, [], []])", R"(["f", null, [])", "\x80\x04N."}) {
    INFO(bad);
    CHECK_FALSE(rq::decode_call(bad, args, kwargs));
  }
}

TEST_CASE("rq.payload: a small job cannot become a huge one") {
  Json args;
  Json kwargs;
  const auto bomb = rq::deflate(std::string(rq::kMaxDataBytes + 1, 'x'));
  REQUIRE(bomb.size() < 100'000);
  const auto refused = rq::decode_call(bomb, args, kwargs);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::limit);
}

TEST_CASE("rq.payload: inflate takes whole streams up to its limit") {
  const std::string text(10'000, 'a');
  const auto packed = rq::deflate(text);
  CHECK(*rq::inflate(packed, text.size()) == text);
  CHECK(rq::inflate(packed, text.size() - 1).error().code == Errc::limit);
  for (std::size_t size = 0; size < packed.size(); ++size)
    CHECK_FALSE(rq::inflate(std::string_view(packed).substr(0, size), text.size()));
  CHECK(rq::inflate(rq::deflate(""), 0)->empty());
}

TEST_CASE("rq.payload: results are base64 of the job's own serializer, null is left out") {
  CHECK(rq::encode_return(3, rq::Serializer::pickle) == "gARLAy4=");
  CHECK(rq::encode_return({1}, rq::Serializer::json) == call::crypto::base64_encode("[1]"));
  CHECK(rq::encode_return(nullptr, rq::Serializer::pickle).empty());
  CHECK(*rq::decode_return("gARLAy4=") == 3);
  CHECK(*rq::decode_return(call::crypto::base64_encode("\"x\"")) == "x");
  CHECK_FALSE(rq::decode_return("?"));
}

TEST_CASE("rq.payload: a failure text is cut to its limit and valid UTF-8") {
  const auto text =
      *rq::decode_failure(rq::encode_failure("line\n\xff" + std::string(100'000, 'x')));
  CHECK(text.size() <= rq::kMaxFailureBytes + 2);
  CHECK(text.starts_with("line\n\xEF\xBF\xBDx"));
  CHECK_FALSE(rq::decode_failure("gARLAy4="));
}

TEST_CASE("rq.payload: a description reads like Python's") {
  CHECK(rq::describe_call("f", {1, "x", nullptr, true}, {{"k", 2.5}}) ==
        "f(1, 'x', None, True, k=2.5)");
  CHECK(rq::describe_call("f", {std::string(100, 'a')}, Json::object()).size() == 3 + 75 + 3);
}
