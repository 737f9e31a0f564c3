#include "core/net/form.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::net;

TEST_CASE("net.form: every byte survives percent encoding") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  CHECK(percent_decode(percent_encode(bytes)) == bytes);
  CHECK(percent_encode("a-b.c_d~e f/\xc3\xa9+") == "a-b.c_d~e%20f%2F%C3%A9%2B");
  CHECK(percent_decode("a+b") == "a+b");
}

TEST_CASE("net.form: a broken escape is refused") {
  for (const auto* text : {"%", "%4", "%4g", "x%", "%%41"}) {
    CAPTURE(text);
    CHECK_FALSE(percent_decode(text));
    CHECK(decode_form(text).error().code == Errc::invalid_argument);
  }
}

TEST_CASE("net.form: order and repeated names are kept in both directions") {
  const Params params = {{"To", "+14155550123"},
                         {"StatusCallbackEvent", "initiated"},
                         {"StatusCallbackEvent", "answered"},
                         {"Empty", ""},
                         {"Twi ml", "<a b=\"c\">&=\xd7\xa9"}};
  const std::string text = encode_form(params);
  CHECK(text.starts_with("To=%2B14155550123&StatusCallbackEvent=initiated&StatusCallback"));
  CHECK(text.find("Twi+ml=") != text.npos);
  CHECK(*decode_form(text) == params);
}

TEST_CASE("net.form: what browsers and carriers send is understood") {
  CHECK(*decode_form("a=1&&b&c=x=y&d=a+b") ==
        Params{{"a", "1"}, {"b", ""}, {"c", "x=y"}, {"d", "a b"}});
  CHECK(decode_form("")->empty());
  CHECK(decode_form("a=1&b=2&c=3", 2).error().code == Errc::limit);
}

TEST_CASE("net.form: values are found by name") {
  const Params params = {{"a", "1"}, {"a", "2"}};
  CHECK(*find_param(params, "a") == "1");
  CHECK(find_param(params, "A") == nullptr);
  CHECK(param_or_empty(params, "b").empty());
}
