#include "core/json/json.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace call::json {
namespace {

TEST_CASE("json: a document that is too long or too deep is refused before it is parsed") {
  CHECK(parse("[1,2,3]", {7, 4}).ok());
  const auto long_one = parse("[1,2,3]", {6, 4}, "the body");
  REQUIRE_FALSE(long_one.ok());
  CHECK(long_one.error().code == Errc::limit);
  CHECK(long_one.error().context == "the body is larger than 6 bytes");
  CHECK(parse("[[{\"a\":[]}]]", {100, 4}).ok());
  CHECK(parse("[[{\"a\":[[]]}]]", {100, 4}).error().code == Errc::limit);
  CHECK(parse(R"(["[[[[[\"[[[", {}])", {100, 2}).ok());
  CHECK(parse(std::string(1 << 19, '[')).error().code == Errc::limit);
}

TEST_CASE("json: what is not one JSON value is refused with its place") {
  const auto bad = parse("{\"a\": nope}", {}, "agents.json");
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().code == Errc::invalid_argument);
  CHECK(bad.error().context.find("agents.json is not valid at byte 8") == 0);
  CHECK_FALSE(parse("").ok());
  CHECK_FALSE(parse("1 2").ok());
  CHECK_FALSE(parse("\"\xff\"").ok());
  CHECK_FALSE(parse("1e999").ok());
}

TEST_CASE("json: getters follow a path through objects and arrays") {
  const Json document = *parse(R"({"call":{"to":"+1","tries":[1,2.5],"done":true,"x":null}})");
  CHECK(get_string(document, "call.to").value() == "+1");
  CHECK(get_int(document, "call.tries.0").value() == 1);
  CHECK(get_number(document, "call.tries.1").value() == 2.5);
  CHECK(get_bool(document, "call.done").value());
  CHECK(get_array(document, "call.tries").value().size() == 2);
  CHECK(get_object(document, "call").value().size() == 4);
  CHECK(find(document, "call.tries.2") == nullptr);
  CHECK(find(document, "call.x") == nullptr);
  CHECK(find(document, "call.to.more") == nullptr);
}

TEST_CASE("json: a wrong or missing value is an error that names the path") {
  const Json document = *parse(R"({"a":{"n":"5"},"big":18446744073709551615})");
  CHECK(get_int(document, "a.n").error().context == "a.n must be a whole number, not string");
  CHECK(get_string(document, "a.m").error().context == "a.m is missing");
  CHECK(get_int(document, "big").error().context == "big is out of range");
  CHECK(get_int_or(document, "a.m", 7).value() == 7);
  CHECK(get_string_or(document, "a.m", "x").value() == "x");
  CHECK(get_bool_or(document, "a.m", true).value());
  CHECK_FALSE(get_int_or(document, "a.n", 7).ok());
}

TEST_CASE("json: text that is not UTF-8 can still be written") {
  CHECK(dump(Json("a\xff")) == "\"a\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace call::json
