#include "daemon/doorkeeper.hpp"

#include <catch2/catch.hpp>

#include "core/carrier/media_token.hpp"

namespace call::daemon {
namespace {

constexpr auto kAttempt = "5d3ff6a4-2f58-4a3d-8c7d-0f3f7f1b9a11";
const std::string kUrl = "wss://media.example.com/ws/twilio-media";
const carrier::SignatureKeys kKeys{Secret("primary"), Secret("secondary")};

media::StartInfo start_with(std::string attempt, std::string token) {
  media::StartInfo start;
  start.parameters = {{"attempt", std::move(attempt)}, {"token", std::move(token)}};
  return start;
}

TEST_CASE("daemon.doorkeeper: an upgrade needs the carrier's signature of our own address") {
  const Doorkeeper door(kKeys, kUrl);
  const auto knock = [&](const std::string& signature) {
    net::HttpRequest request;
    request.target = "/ws/twilio-media";
    request.headers.set("x-twilio-signature", signature);
    return door.authorize(request);
  };
  CHECK(knock(carrier::sign(kKeys.primary, kUrl)).ok());
  CHECK(knock(carrier::sign(kKeys.secondary, kUrl)).ok());
  CHECK(knock(carrier::sign(Secret("other"), kUrl)).error().code == Errc::permission);
  CHECK(knock(carrier::sign(kKeys.primary, kUrl + "/more")).error().code == Errc::permission);
  CHECK(knock("").error().context.find("no X-Twilio-Signature") != std::string::npos);
}

TEST_CASE("daemon.doorkeeper: a token is good once, for its attempt, until it expires") {
  Doorkeeper door(kKeys, kUrl);
  const auto now = wall_now();
  const auto token =
      carrier::make_media_token(kKeys.primary, kAttempt, now + std::chrono::minutes(5));
  const auto twin =
      carrier::make_media_token(kKeys.secondary, kAttempt, now + std::chrono::minutes(5));
  CHECK_FALSE(door.admit(start_with("another", token), now).ok());
  CHECK_FALSE(door.admit(start_with(kAttempt, token), now + std::chrono::minutes(6)).ok());
  CHECK(door.admit(start_with(kAttempt, token), now).ok());
  const auto again = door.admit(start_with(kAttempt, token), now);
  REQUIRE_FALSE(again.ok());
  CHECK(again.error().code == Errc::permission);
  CHECK(again.error().context == "the media token was used before");
  CHECK(door.admit(start_with(kAttempt, twin), now).ok());
  CHECK_FALSE(door.admit(start_with(kAttempt, ""), now).ok());
  CHECK_FALSE(door.admit({}, now).ok());
}

}  // namespace
}  // namespace call::daemon
