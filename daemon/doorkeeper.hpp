// Who may open a media stream: the carrier, proved by its signature on the upgrade, for a call that
// we placed, proved by a token that is good once.
#pragma once

#include <map>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/guarded.hpp"
#include "core/base/result.hpp"
#include "core/carrier/signature.hpp"
#include "core/media/protocol.hpp"
#include "core/net/http.hpp"

namespace call::daemon {

/// Thread-safe; nothing blocks.
class Doorkeeper {
 public:
  /// `stream_url`: what the carrier was told to connect to, which is what it signs.
  Doorkeeper(carrier::SignatureKeys keys, std::string stream_url);

  /// Errc::permission without the carrier's signature.
  Status authorize(const net::HttpRequest& upgrade) const;
  /// Errc::permission when the token is not ours, has expired, is for another attempt, or came
  /// before.
  Status admit(const media::StartInfo& start) { return admit(start, wall_now()); }
  Status admit(const media::StartInfo& start, WallTime now);

 private:
  const carrier::SignatureKeys keys_;
  const std::string stream_url_;
  Guarded<std::multimap<std::int64_t, std::string>> used_;  // tokens by expiry, in Unix seconds
};

}  // namespace call::daemon
