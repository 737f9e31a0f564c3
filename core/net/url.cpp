#include "core/net/url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <optional>

#include "core/base/strings.hpp"
#include "core/net/form.hpp"

namespace call::net {
namespace {

constexpr std::size_t kMaxUrlBytes = 8192;

Error invalid(std::string_view what) {
  return {Errc::invalid_argument, "the URL " + std::string(what)};
}

std::string bracketed(const std::string& host) {
  return host.find(':') == host.npos ? host : "[" + host + "]";
}

bool is_ipv6(const std::string& text) {
  in6_addr address{};
  return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

// What may stand in a name or an IPv4 address; internationalised names come as punycode.
bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  });
}

// "host", "host:port", "[v6]" or "[v6]:port". The port stays empty when there is none.
struct Authority {
  std::string host;
  std::optional<std::uint16_t> port;
};

std::optional<Authority> parse_authority(std::string_view text) {
  Authority out;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return std::nullopt;
    out.host = to_lower_ascii(text.substr(1, end - 1));
    if (!is_ipv6(out.host)) return std::nullopt;
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return std::nullopt;
  } else {
    const auto colon = text.find(':');
    out.host = to_lower_ascii(text.substr(0, colon));
    if (!is_host_name(out.host)) return std::nullopt;
    if (colon != text.npos) port = text.substr(colon);
  }
  if (port.size() > 1) {  // "host:" alone means the default port
    out.port = parse_number<std::uint16_t>(port.substr(1));
    if (!out.port) return std::nullopt;
  }
  return out;
}

bool is_visible_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Status parse_user_info(Url& url, std::string_view text) {
  const auto colon = text.find(':');
  auto user = percent_decode(text.substr(0, colon));
  auto password = percent_decode(colon == text.npos ? "" : text.substr(colon + 1));
  if (!user || !password) return invalid("has a bad escape in its user name or password");
  url.user = std::move(*user);
  url.password = std::move(*password);
  return {};
}

}  // namespace

std::string Url::target() const {
  return query.empty() ? path : path + "?" + query;
}

std::string Url::authority() const {
  return has_default_port() ? bracketed(host) : bracketed(host) + ":" + std::to_string(port);
}

std::string Url::to_string() const {
  return scheme + "://" + authority() + target();
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrlBytes) return Error{Errc::limit, "the URL is longer than 8192 bytes"};
  if (!is_visible_ascii(text))
    return invalid("contains a space, a control or a non-ASCII character");
  Url url;
  const auto scheme_end = text.find("://");
  url.scheme = to_lower_ascii(text.substr(0, scheme_end == text.npos ? 0 : scheme_end));
  if (url.scheme != "http" && url.scheme != "https" && url.scheme != "ws" && url.scheme != "wss") {
    return invalid("does not begin with http://, https://, ws:// or wss://");
  }
  text.remove_prefix(scheme_end + 3);
  text = text.substr(0, text.find('#'));

  const auto authority_end = text.find_first_of("/?");
  auto authority = text.substr(0, authority_end);
  if (const auto at = authority.rfind('@'); at != authority.npos) {
    CALL_CHECK(parse_user_info(url, authority.substr(0, at)));
    authority.remove_prefix(at + 1);
  }
  auto place = parse_authority(authority);
  if (!place) return invalid("has no valid host and port");
  url.host = std::move(place->host);
  url.port = place->port.value_or(url.tls() ? 443 : 80);
  if (url.port == 0) return invalid("has port 0");

  if (authority_end == text.npos) return url;
  const auto rest = text.substr(authority_end);
  const auto question = rest.find('?');
  if (question != 0) url.path = rest.substr(0, question);
  if (question != rest.npos) url.query = rest.substr(question + 1);
  return url;
}

Result<HostPort> parse_host_port(std::string_view text) {
  auto place = parse_authority(text);
  if (!place || !place->port) {
    return Error{Errc::invalid_argument,
                 "\"" + to_valid_utf8(truncate_utf8(text, 100)) +
                     "\" is not HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"};
  }
  return HostPort{std::move(place->host), *place->port};
}

std::string to_string(const HostPort& address) {
  return bracketed(address.host) + ":" + std::to_string(address.port);
}

bool is_loopback(std::string_view host) {
  const std::string text(host);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6) != 0;
  return to_lower_ascii(text) == "localhost";
}

}  // namespace call::net
