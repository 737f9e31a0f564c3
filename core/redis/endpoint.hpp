// Where a Redis server is, read from redis.url.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"

namespace call::redis {

struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
};

struct Endpoint {
  Address address;
  std::string unix_path;  ///< not empty: this socket instead of the address
  /// Not empty: the address is not known; each connection asks these where `primary` is now.
  std::vector<Address> sentinels;
  std::string primary;
  std::string user;  ///< empty: Redis's default user
  Secret password;   ///< empty: no AUTH is sent
  int database = 0;
};

/// "redis://[[user]:password@]host[:port][/db]", "unix://[[user]:password@]/path.sock[?db=N]" or
/// "redis+sentinel://[[user]:password@]host[:port],host[:port].../primary[/db]" (at most 16 hosts, port
/// 26379 unless stated; user and password are the servers', not the sentinels'). Percent-escapes in
/// user, password and path. Errc::invalid_argument never repeats the password.
Result<Endpoint> parse_url(std::string_view url);

/// "host:port", with [] around an IPv6 address.
std::string to_string(const Address& address);
/// For people and logs: the URL without user and password.
std::string describe(const Endpoint& endpoint);

}  // namespace call::redis
