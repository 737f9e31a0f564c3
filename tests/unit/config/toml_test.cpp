#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/config/config.hpp"
#include "core/json/json.hpp"

namespace call::config {
namespace {

TEST_CASE("config.toml: a document becomes the same document in JSON") {
  const auto document = parse_toml_to_json(R"(
name = "survey"
limit = 3
ratio = 0.5
on = true
day = 2026-11-23
[[step]]
say = "שלום"
[[step]]
words = ["a", "b"]
)",
                                           "survey.toml");
  REQUIRE(document.ok());
  CHECK(json::dump(*document) ==
        R"({"day":"2026-11-23","limit":3,"name":"survey","on":true,"ratio":0.5,)"
        R"("step":[{"say":"שלום"},{"words":["a","b"]}]})");
}

TEST_CASE("config.toml: a fault names the document and its line") {
  const auto bad = parse_toml_to_json("a = 1\nb = \n", "survey.toml");
  REQUIRE_FALSE(bad.ok());
  CHECK(bad.error().code == Errc::invalid_argument);
  CHECK(bad.error().context.find("survey.toml:2: not valid TOML: ") == 0);
  CHECK(parse_toml_to_json("a = 1\na = 2\n", "x").error().context.find("x:2: ") == 0);
}

TEST_CASE("config.toml: size and depth are limited") {
  CHECK(parse_toml_to_json(std::string((1 << 20) + 1, '#'), "x").error().code == Errc::limit);
  std::string deep = "a";
  for (int i = 0; i < 100; ++i) deep += ".a";
  CHECK(parse_toml_to_json(deep + " = 1", "x").error().code == Errc::limit);
  CHECK_FALSE(parse_toml_to_json("a = " + std::string(100000, '['), "x").ok());
}

}  // namespace
}  // namespace call::config
