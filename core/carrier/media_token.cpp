#include "core/carrier/media_token.hpp"

#include <chrono>
#include <cstdint>

#include "core/base/strings.hpp"
#include "core/crypto/base64.hpp"
#include "core/crypto/hash.hpp"

namespace call::carrier {
namespace {

std::string mac(const Secret& key, std::string_view attempt, std::string_view expiry) {
  std::string text = "calld-media-token\n";
  text.append(attempt).append("\n").append(expiry);
  return crypto::base64url_encode(crypto::hmac_sha256(key.reveal(), text));
}

Error refused(std::string_view why) {
  return {Errc::permission, "the media token is " + std::string(why)};
}

}  // namespace

std::string make_media_token(const Secret& key, std::string_view attempt, WallTime expiry) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(expiry.time_since_epoch());
  const auto text = std::to_string(seconds.count());
  return text + "." + mac(key, attempt, text);
}

Status verify_media_token(const SignatureKeys& keys, std::string_view attempt,
                          std::string_view token, WallTime now) {
  const auto dot = token.find('.');
  if (dot == std::string_view::npos || token.size() > 128) return refused("malformed");
  const auto expiry = token.substr(0, dot);
  const auto given = token.substr(dot + 1);
  bool good = crypto::constant_time_equal(mac(keys.primary, attempt, expiry), given);
  if (!keys.secondary.empty())
    good |= crypto::constant_time_equal(mac(keys.secondary, attempt, expiry), given);
  if (!good) return refused("not one of ours, or belongs to another attempt");
  const auto seconds = parse_number<std::int64_t>(expiry);
  if (!seconds) return refused("malformed");
  if (now.time_since_epoch() > std::chrono::seconds(*seconds)) return refused("expired");
  return {};
}

}  // namespace call::carrier
