#include "core/flow/render.hpp"

#include <catch2/catch.hpp>

#include "core/flow/sentences.hpp"

using namespace call::flow;

TEST_CASE("flow.render: a name that can be pronounced is said") {
  CHECK(render("Hello {first_name|there}.", {{"first_name", "Ada"}}) == "Hello Ada.");
}

TEST_CASE("flow.render: a name in another script or with an emoji falls back to neutral words") {
  for (const char* name : {"\u05d3\u05e0\u05d4", "\U0001F642", "Zo\u00eb \U0001F642", ""}) {
    CHECK(render("Hello {first_name|there}.", {{"first_name", name}}) == "Hello there.");
  }
  CHECK(render("Hello {first_name|there}.", {}) == "Hello there.");
  CHECK(render("Hello {first_name|}.", {}) == "Hello .");
}

TEST_CASE("flow.render: a value of absurd length is not read out") {
  CHECK(render("{x|short}", {{"x", std::string(500, 'a')}}) == "short");
}

TEST_CASE("flow.render: templates are checked when they are read") {
  CHECK(check_template("no variables"));
  CHECK(check_template("{a|b} and {c|}"));
  for (const char* bad : {"{a}", "{", "}", "{a|b", "{a b|c}", "{|x}", "{{a|b}}"}) {
    INFO(bad);
    CHECK_FALSE(check_template(bad));
  }
}

TEST_CASE("flow.render: what a call knows of its callee") {
  const auto variables =
      variables_of({{"name", "Ada Lovelace"}, {"var.city", "London"}, {"token", "secret"}});
  CHECK(variables.at("first_name") == "Ada");
  CHECK(variables.at("city") == "London");
  CHECK_FALSE(variables.contains("token"));
  CHECK(variables_of({{"name", "Ada"}, {"var.first_name", "Countess"}}).at("first_name") ==
        "Countess");
}

TEST_CASE("flow.sentences: a prompt is split where a voice would pause") {
  CHECK(sentences_of("Hello. Is it 5.30? Yes!  Good bye") ==
        std::vector<std::string>{"Hello.", "Is it 5.30?", "Yes!", "Good bye"});
  CHECK(sentences_of("").empty());
  CHECK(sentences_of("  ").empty());
}
