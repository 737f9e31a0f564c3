// X-Twilio-Signature: proof that a webhook or a WebSocket upgrade comes from the carrier.
// base64(HMAC-SHA1(token, URL + name + value of every form parameter, by name; values of one name
// as a sorted set)). A JSON body is covered by its SHA-256 in the URL's bodySHA256 parameter.
// Compared in constant time. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "core/base/secret.hpp"
#include "core/carrier/call.hpp"

namespace call::carrier {

/// Signature of a form POST, or of a GET or WebSocket upgrade when there are no parameters.
std::string sign(const Secret& token, std::string_view url, const Params& params = {});

/// The URL with bodySHA256 of the body added: what a JSON webhook is posted to and signed for.
std::string with_body_hash(std::string_view url, std::string_view body);

/// The tokens that are good now: two during a rotation.
struct SignatureKeys {
  Secret primary;
  Secret secondary;  ///< may be empty
};

/// `url` is what the carrier was told to call, built from configuration and never from the Host
/// header. A match for the URL with or without its scheme's standard port counts, since Twilio
/// signs either.
bool validate(const SignatureKeys& keys, std::string_view url, const Params& params,
              std::string_view signature);
/// As validate() without parameters, and the body must match the URL's bodySHA256.
bool validate_json(const SignatureKeys& keys, std::string_view url, std::string_view body,
                   std::string_view signature);
/// As validate() without parameters, for a wss:// (ws://) URL; with or without a trailing slash.
bool validate_upgrade(const SignatureKeys& keys, std::string_view url, std::string_view signature);

}  // namespace call::carrier
