// The vectors are those of Twilio's own helper libraries.
#include "core/carrier/signature.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::carrier;

namespace {

const SignatureKeys kKeys{Secret("12345"), Secret()};
const std::string kUrl = "https://mycompany.com/myapp.php?foo=1&bar=2";
const Params kParams{{"CallSid", "CA1234567890ABCDE"},
                     {"Caller", "+14158675309"},
                     {"Digits", "1234"},
                     {"From", "+14158675309"},
                     {"To", "+18005551212"}};
const std::string kBody = R"({"property": "value", "boolean": true})";

}  // namespace

TEST_CASE("carrier.signature: a form POST has Twilio's published signature") {
  REQUIRE(sign(Secret("12345"), kUrl, kParams) == "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
  REQUIRE(validate(kKeys, kUrl, kParams, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
}

TEST_CASE("carrier.signature: a URL signed with its standard port is accepted without it") {
  const std::string https_443 = "kvajT1Ptam85bY51eRf/AJRuM3w=";
  const std::string http_80 = "0ZXoZLH/DfblKGATFgpif+LLRf4=";
  REQUIRE(validate(kKeys, kUrl, kParams, https_443));
  REQUIRE(validate(kKeys, "https://mycompany.com:443/myapp.php?foo=1&bar=2", kParams, https_443));
  REQUIRE(validate(kKeys, "http://mycompany.com/myapp.php?foo=1&bar=2", kParams, http_80));
}

TEST_CASE("carrier.signature: a URL with its standard port is accepted when signed without") {
  REQUIRE(validate(kKeys, "https://mycompany.com:443/myapp.php?foo=1&bar=2", kParams,
                   "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
}

TEST_CASE("carrier.signature: another port is part of the signature") {
  const std::string url = "http://mycompany.com:8080/a";
  REQUIRE(validate(kKeys, url, {}, sign(kKeys.primary, url)));
  REQUIRE_FALSE(validate(kKeys, url, {}, sign(kKeys.primary, "http://mycompany.com/a")));
  REQUIRE_FALSE(validate(kKeys, url, {}, sign(kKeys.primary, "http://mycompany.com:80/a")));
}

TEST_CASE("carrier.signature: a port is found behind user names and IPv6 addresses") {
  const auto signed_with = [](const char* url) { return sign(Secret("12345"), url); };
  REQUIRE(validate(kKeys, "https://u:p@h/x", {}, signed_with("https://u:p@h:443/x")));
  REQUIRE(validate(kKeys, "https://[::1]/x", {}, signed_with("https://[::1]:443/x")));
  REQUIRE(validate(kKeys, "https://[::1]:443/x", {}, signed_with("https://[::1]/x")));
}

TEST_CASE("carrier.signature: values of one name are a sorted set") {
  const Params doubled{{"Sid", "CA123"},
                       {"SidAccount", "AC123"},
                       {"Digits", "5678"},
                       {"Digits", "1234"},
                       {"Digits", "1234"}};
  REQUIRE(validate(kKeys, kUrl, doubled, "IK+Dwps556ElfBT0I3Rgjkr1wJU="));
}

TEST_CASE("carrier.signature: a JSON body is covered by its hash in the URL") {
  const auto url = with_body_hash(kUrl, kBody);
  REQUIRE(url ==
          kUrl + "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620");
  REQUIRE(validate_json(kKeys, url, kBody, "a9nBmqA0ju/hNViExpshrM61xv4="));
  REQUIRE_FALSE(validate_json(kKeys, url, kBody + " ", "a9nBmqA0ju/hNViExpshrM61xv4="));
  REQUIRE_FALSE(validate_json(kKeys, kUrl, kBody, sign(kKeys.primary, kUrl)));
}

TEST_CASE("carrier.signature: anything that was changed is refused") {
  const auto good = sign(kKeys.primary, kUrl, kParams);
  auto other_params = kParams;
  other_params[2].second = "1235";
  REQUIRE_FALSE(validate(kKeys, kUrl, other_params, good));
  REQUIRE_FALSE(validate(kKeys, kUrl + "x", kParams, good));
  REQUIRE_FALSE(validate(kKeys, kUrl, kParams, ""));
  REQUIRE_FALSE(validate(kKeys, kUrl, kParams, good + "="));
  REQUIRE_FALSE(validate({Secret("12346"), Secret()}, kUrl, kParams, good));
}

TEST_CASE("carrier.signature: both tokens count during a rotation, an empty second one never") {
  const SignatureKeys both{Secret("new"), Secret("old")};
  REQUIRE(validate(both, kUrl, kParams, sign(Secret("old"), kUrl, kParams)));
  REQUIRE(validate(both, kUrl, kParams, sign(Secret("new"), kUrl, kParams)));
  REQUIRE_FALSE(validate(kKeys, kUrl, kParams, sign(Secret(""), kUrl, kParams)));
}

TEST_CASE("carrier.signature: an upgrade is accepted with or without a trailing slash") {
  const std::string url = "wss://media.example.com/ws/twilio-media";
  REQUIRE(validate_upgrade(kKeys, url, sign(kKeys.primary, url)));
  REQUIRE(validate_upgrade(kKeys, url, sign(kKeys.primary, url + "/")));
  REQUIRE(validate_upgrade(kKeys, url + "/", sign(kKeys.primary, url)));
  REQUIRE(validate_upgrade(kKeys, url,
                           sign(kKeys.primary, "wss://media.example.com:443/ws/twilio-media")));
  REQUIRE_FALSE(validate_upgrade(kKeys, url, sign(kKeys.primary, "wss://media.example.com/ws")));
}
