// The one-time token that binds a media stream to the attempt it was created for. A signature over
// a fixed URL can be replayed; this token expires and the media server takes each one once. Form:
// "<expiry>.<mac>": expiry in Unix seconds, mac = base64url(HMAC-SHA256(carrier token,
// "calld-media-token\n" + attempt uuid + "\n" + expiry)) without padding. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/carrier/signature.hpp"

namespace call::carrier {

std::string make_media_token(const Secret& key, std::string_view attempt, WallTime expiry);
/// Errc::permission with the reason (malformed, expired, wrong) otherwise. Either key may have made
/// the token.
Status verify_media_token(const SignatureKeys& keys, std::string_view attempt,
                          std::string_view token, WallTime now);

}  // namespace call::carrier
