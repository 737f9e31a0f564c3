#include "daemon/doorkeeper.hpp"

#include <algorithm>

#include "core/base/strings.hpp"
#include "core/carrier/media_token.hpp"

namespace call::daemon {
namespace {

std::int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace

Doorkeeper::Doorkeeper(carrier::SignatureKeys keys, std::string stream_url)
    : keys_(std::move(keys)), stream_url_(std::move(stream_url)) {}

Status Doorkeeper::authorize(const net::HttpRequest& upgrade) const {
  const auto signature = upgrade.headers.get("X-Twilio-Signature");
  if (carrier::validate_upgrade(keys_, stream_url_, signature)) return {};
  return Error{Errc::permission, signature.empty()
                                     ? "the upgrade has no X-Twilio-Signature"
                                     : "the upgrade's signature is wrong: does "
                                       "media.public_url say what the carrier calls?"};
}

Status Doorkeeper::admit(const media::StartInfo& start, WallTime now) {
  const auto attempt = start.parameter("attempt");
  const std::string token(start.parameter("token"));
  CALL_CHECK(carrier::verify_media_token(keys_, attempt, token, now));
  const auto expiry = parse_number<std::int64_t>(split(token, '.').front());
  CALL_ASSERT(expiry.has_value());  // the token is ours
  return used_.with([&](auto& used) -> Status {
    used.erase(used.begin(), used.lower_bound(unix_seconds(now)));
    const auto [from, to] = used.equal_range(*expiry);
    if (std::any_of(from, to, [&](const auto& entry) { return entry.second == token; })) {
      return Error{Errc::permission, "the media token was used before"};
    }
    used.emplace(*expiry, token);
    return {};
  });
}

}  // namespace call::daemon
