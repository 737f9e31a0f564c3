#include "core/dialer/call_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/carrier/media_token.hpp"
#include "core/carrier/twiml.hpp"

namespace call::dialer_test {
namespace {

using namespace call::dialer;

const PublicUrls kUrls{"https://calls.example.com/base", "wss://media.example.com"};
const Secret kKey("carrier-token");

CallPlan plan(std::string variables = R"({"city":"Haifa \ud83d\ude00","n":"\u05d3\u05e0\u05d9"})") {
  return {"0b0e9a3c-0000-4000-8000-000000000001",
          "0123456789abcdef0123456789abcdef",
          "acme",
          "survey",
          42,
          7,
          "Dana",
          std::move(variables)};
}

std::string parameter(const carrier::twiml::Stream& stream, std::string_view name) {
  for (const auto& [key, value] : stream.parameters)
    if (key == name) return value;
  return "(none)";
}

TEST_CASE(
    "dialer.call_plan: predecessor A8.22 the callee's name and variables go along with the call") {
  const auto expiry = wall_now() + std::chrono::hours(1);
  const auto document = carrier::twiml::parse(twiml_of(plan(), kUrls, kKey, expiry));
  REQUIRE(document);
  REQUIRE(document->verbs.size() == 1);
  const auto& connect = std::get<carrier::twiml::Connect>(document->verbs.front());
  CHECK(connect.action ==
        "https://calls.example.com/base/twilio/stream-ended/0123456789abcdef0123456789abcdef");
  CHECK(connect.stream.url == "wss://media.example.com/ws/twilio-media");
  CHECK(connect.stream.status_callback ==
        "https://calls.example.com/base/twilio/stream/0123456789abcdef0123456789abcdef");
  CHECK(parameter(connect.stream, "agent") == "survey");
  CHECK(parameter(connect.stream, "attempt") == plan().attempt_id);
  CHECK(parameter(connect.stream, "tenant") == "acme");
  CHECK(parameter(connect.stream, "list") == "42");
  CHECK(parameter(connect.stream, "entry") == "7");
  CHECK(parameter(connect.stream, "name") == "Dana");
  CHECK(parameter(connect.stream, "var.city") == "Haifa \xF0\x9F\x98\x80");
  CHECK(parameter(connect.stream, "var.n") == "\xD7\x93\xD7\xA0\xD7\x99");
  CHECK(carrier::verify_media_token({kKey, {}}, plan().attempt_id,
                                    parameter(connect.stream, "token"), wall_now()));
}

TEST_CASE("dialer.call_plan: a variable beyond TwiML's limit is left out, the rest stays") {
  const auto big = R"({"a":")" + std::string(600, 'x') + R"(","b":"small"})";
  const auto document = carrier::twiml::parse(twiml_of(plan(big), kUrls, kKey, wall_now()));
  REQUIRE(document);
  const auto& stream = std::get<carrier::twiml::Connect>(document->verbs.front()).stream;
  CHECK(parameter(stream, "var.a") == "(none)");
  CHECK(parameter(stream, "var.b") == "small");
}

TEST_CASE("dialer.call_plan: whatever is carried, the carrier can read") {
  for (const std::size_t bytes : {490U, 494U, 495U, 496U, 500U, 1000U}) {
    auto big = plan(R"({"a":")" + std::string(bytes - 1, 'x') + R"("})");
    big.name = std::string(bytes, 'n');
    const auto document = carrier::twiml::parse(twiml_of(big, kUrls, kKey, wall_now()));
    INFO(bytes);
    REQUIRE(document);
    const auto& stream = std::get<carrier::twiml::Connect>(document->verbs.front()).stream;
    const bool name_fits = bytes < 496;
    const bool variable_fits = bytes < 496;  // "var.a"
    CHECK(parameter(stream, "name").size() == std::min<std::size_t>(bytes, 495));
    CHECK((parameter(stream, "var.a") != "(none)") == variable_fits);
    const auto missing = left_out(big.name, big.variables_json);
    CHECK(missing.size() == (name_fits ? 0U : 1U) + (variable_fits ? 0U : 1U));
  }
}

TEST_CASE("dialer.call_plan: more variables than a call carries are left out by name") {
  std::string variables = R"({"v000":"")";
  for (int i = 1; i < 100; ++i) variables += fmt::format(R"(,"v{:03}":"")", i);
  variables += "}";
  const auto document = carrier::twiml::parse(twiml_of(plan(variables), kUrls, kKey, wall_now()));
  REQUIRE(document);
  CHECK(std::get<carrier::twiml::Connect>(document->verbs.front()).stream.parameters.size() == 99);
  const auto missing = left_out("Dana", variables);
  REQUIRE(missing.size() == 8);
  CHECK(missing.front() == "v092");
}

TEST_CASE("dialer.call_plan: inline TwiML when it fits, else the answer address") {
  store::List list;
  list.settings.amd = store::Amd::async;
  store::Claim claim;
  claim.token = plan().token;
  const auto small = request_of(list, claim, kUrls, std::string(4000, 'x'));
  CHECK(small.url.empty());
  CHECK(small.twiml.size() == 4000);
  const auto large = request_of(list, claim, kUrls, std::string(4001, 'x'));
  CHECK(large.twiml.empty());
  CHECK(large.url.starts_with(hook_url(kUrls, Hook::answer, claim.token)));
  CHECK(large.status_callback == with_retries(hook_url(kUrls, Hook::status, claim.token)));
  REQUIRE(large.machine_detection);
  CHECK(large.machine_detection->async_callback_url.find("/twilio/amd/") != std::string::npos);
}

}  // namespace
}  // namespace call::dialer_test
