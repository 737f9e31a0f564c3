// Where a Redis server is, read from redis.url.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"

namespace call::redis {

struct Endpoint {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string unix_path;  ///< not empty: this socket instead of host and port
  std::string user;       ///< empty: Redis's default user
  Secret password;        ///< empty: no AUTH is sent
  int database = 0;
};

/// "redis://[[user]:password@]host[:port][/db]" or "unix://[[user]:password@]/path.sock[?db=N]",
/// percent-escapes in user, password and path. Errc::invalid_argument never repeats the password.
Result<Endpoint> parse_url(std::string_view url);

/// For people and logs: the URL without user and password.
std::string describe(const Endpoint& endpoint);

}  // namespace call::redis
