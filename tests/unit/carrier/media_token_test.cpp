#include "core/carrier/media_token.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::carrier;

namespace {

const SignatureKeys kKeys{Secret("token"), Secret("older")};
const std::string kAttempt = "6f1c2b1e-0d5c-4b7e-9a54-0a4a7f0e6c11";
const WallTime kNow{std::chrono::seconds(1800000000)};
const WallTime kExpiry = kNow + std::chrono::seconds(600);

}  // namespace

TEST_CASE("carrier.media_token: a fresh token opens its own attempt") {
  const auto token = make_media_token(kKeys.primary, kAttempt, kExpiry);
  REQUIRE(token.starts_with("1800000600."));
  REQUIRE(verify_media_token(kKeys, kAttempt, token, kNow).ok());
  REQUIRE(verify_media_token(kKeys, kAttempt, make_media_token(kKeys.secondary, kAttempt, kExpiry),
                             kNow)
              .ok());
}

TEST_CASE("carrier.media_token: it opens no other attempt and not for ever") {
  const auto token = make_media_token(kKeys.primary, kAttempt, kExpiry);
  const auto refused = [&](std::string_view attempt, std::string_view text, WallTime now) {
    const auto status = verify_media_token(kKeys, attempt, text, now);
    return !status.ok() && status.error().code == Errc::permission;
  };
  REQUIRE(refused("6f1c2b1e-0d5c-4b7e-9a54-0a4a7f0e6c12", token, kNow));
  REQUIRE_FALSE(refused(kAttempt, token, kExpiry));
  REQUIRE(refused(kAttempt, token, kExpiry + std::chrono::seconds(1)));
}

TEST_CASE("carrier.media_token: a later expiry cannot be written into a token") {
  auto token = make_media_token(kKeys.primary, kAttempt, kExpiry);
  token.replace(0, 10, "1900000000");
  REQUIRE_FALSE(verify_media_token(kKeys, kAttempt, token, kNow).ok());
}

TEST_CASE("carrier.media_token: malformed tokens are refused") {
  for (const std::string token : {"", ".", "1800000600", "1800000600.", "x.y", ".abc"})
    REQUIRE_FALSE(verify_media_token(kKeys, kAttempt, token, kNow).ok());
  REQUIRE_FALSE(verify_media_token(kKeys, kAttempt, std::string(10000, '1') + ".x", kNow).ok());
  REQUIRE_FALSE(verify_media_token({Secret("token"), Secret()}, kAttempt,
                                   make_media_token(Secret(""), kAttempt, kExpiry), kNow)
                    .ok());
}
