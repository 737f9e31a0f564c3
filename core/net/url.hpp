// URLs of the schemes that this project speaks: http, https, ws, wss. Pure. RFC 3986, without
// relative references.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace call::net {

struct Url {
  std::string scheme;  ///< lower case
  std::string user;    ///< percent-decoded
  std::string password;
  std::string host;        ///< lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;  ///< the scheme's default (80, 443) when the text has none
  std::string path = "/";  ///< as written, still percent-encoded; never empty
  std::string query;       ///< as written, without "?"

  bool tls() const { return scheme == "https" || scheme == "wss"; }
  bool has_default_port() const { return port == (tls() ? 443 : 80); }
  std::string target() const;     ///< path and query: the request target
  std::string authority() const;  ///< host, and the port unless it is the default: the Host header
  std::string to_string() const;  ///< without user and password, so that it may be logged
};

/// Errc::invalid_argument names what is wrong. A fragment is dropped. At most 8192 bytes.
Result<Url> parse_url(std::string_view text);

/// "HOST:PORT" as in configuration ("127.0.0.1:8080", "[::1]:0", "localhost:8080").
struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(std::string_view text);
std::string to_string(const HostPort& address);
/// True for 127.0.0.0/8, ::1 and "localhost".
bool is_loopback(std::string_view host);

}  // namespace call::net
