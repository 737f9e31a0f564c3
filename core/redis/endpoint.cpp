#include "core/redis/endpoint.hpp"

#include <fmt/format.h>

#include <optional>

#include "core/base/strings.hpp"

namespace call::redis {
namespace {

constexpr std::size_t kMaxUrlBytes = 1024;
constexpr int kMaxDatabase = 1 << 20;
constexpr std::uint16_t kSentinelPort = 26379;
constexpr std::size_t kMaxSentinels = 16;

Error bad_url(std::string_view why) {
  return {Errc::invalid_argument,
          fmt::format("the Redis URL {} (expected redis://[:password@]host[:port][/db], "
                      "unix://[:password@]/path or "
                      "redis+sentinel://[:password@]host[:port],.../primary[/db])",
                      why)};
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    unsigned byte = 0;
    const auto hex = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + 2, byte, 16);
    if (error != std::errc() || end != hex.data() + 2) return std::nullopt;
    out += static_cast<char>(byte);
    i += 2;
  }
  return out;
}

Status read_database(std::string_view text, Endpoint& endpoint) {
  if (text.empty()) return {};
  const auto number = parse_number<int>(text);
  if (!number || *number < 0 || *number > kMaxDatabase)
    return bad_url("has a database that is not a number");
  endpoint.database = *number;
  return {};
}

/// "[user][:password]"
Status read_credentials(std::string_view text, Endpoint& endpoint) {
  const auto colon = text.find(':');
  const auto user = unescape(text.substr(0, colon));
  const auto password =
      unescape(colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1));
  if (!user || !password) return bad_url("has a broken percent-escape");
  endpoint.user = *user;
  endpoint.password = Secret(*password);
  return {};
}

Status read_unix(std::string_view rest, Endpoint& endpoint) {
  const auto query = rest.find('?');
  if (query != std::string_view::npos) {
    const auto text = rest.substr(query + 1);
    if (!text.starts_with("db=")) return bad_url("has a query other than db=N");
    CALL_CHECK(read_database(text.substr(3), endpoint));
    rest = rest.substr(0, query);
  }
  const auto path = unescape(rest);
  if (!path || path->empty() || path->front() != '/') return bad_url("has no absolute socket path");
  endpoint.unix_path = *path;
  return {};
}

/// "host[:port]", with [] around an IPv6 address; what is missing stays as it is.
Status read_address(std::string_view text, Address& address) {
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return bad_url("has an unclosed [ in the host");
    port = text.substr(end + 1);
    text = text.substr(1, end - 1);
  } else if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    port = text.substr(colon);
    text = text.substr(0, colon);
  }
  if (!port.empty()) {
    const auto number = port[0] == ':' ? parse_number<std::uint16_t>(port.substr(1)) : std::nullopt;
    if (!number || *number == 0) return bad_url("has a port that is not 1 to 65535");
    address.port = *number;
  }
  if (!text.empty()) address.host = std::string(text);
  return {};
}

Status read_tcp(std::string_view rest, Endpoint& endpoint) {
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos) {
    CALL_CHECK(read_database(rest.substr(slash + 1), endpoint));
    rest = rest.substr(0, slash);
  }
  return read_address(rest, endpoint.address);
}

/// "host[:port],host[:port].../primary[/db]"
Status read_sentinel(std::string_view rest, Endpoint& endpoint) {
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos || slash + 1 == rest.size())
    return bad_url("does not name the primary that the sentinels watch");
  auto name = rest.substr(slash + 1);
  if (const auto second = name.find('/'); second != std::string_view::npos) {
    CALL_CHECK(read_database(name.substr(second + 1), endpoint));
    name = name.substr(0, second);
  }
  endpoint.primary = std::string(name);
  if (endpoint.primary.empty())
    return bad_url("does not name the primary that the sentinels watch");
  for (const auto host : split(rest.substr(0, slash), ',')) {
    if (host.empty()) return bad_url("has an empty host among its sentinels");
    if (endpoint.sentinels.size() == kMaxSentinels) return bad_url("names more than 16 sentinels");
    endpoint.sentinels.push_back({"", kSentinelPort});
    CALL_CHECK(read_address(host, endpoint.sentinels.back()));
  }
  return {};
}

std::string describe_sentinels(const Endpoint& endpoint) {
  std::string out = "redis+sentinel://";
  for (const auto& sentinel : endpoint.sentinels)
    out += (out.ends_with('/') ? "" : ",") + to_string(sentinel);
  out += "/" + endpoint.primary;
  if (endpoint.database != 0) out += fmt::format("/{}", endpoint.database);
  return out;
}

}  // namespace

Result<Endpoint> parse_url(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return bad_url("is too long");
  const auto read = url.starts_with("redis://")            ? read_tcp
                    : url.starts_with("unix://")           ? read_unix
                    : url.starts_with("redis+sentinel://") ? read_sentinel
                                                           : nullptr;
  if (!read) return bad_url("has another scheme");
  auto rest = url.substr(url.find("//") + 2);

  Endpoint endpoint;
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    CALL_CHECK(read_credentials(rest.substr(0, at), endpoint));
    rest = rest.substr(at + 1);
  }
  CALL_CHECK(read(rest, endpoint));
  return endpoint;
}

std::string to_string(const Address& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", v6 ? "[" : "", address.host, v6 ? "]" : "", address.port);
}

std::string describe(const Endpoint& endpoint) {
  const auto database = endpoint.database;
  if (!endpoint.unix_path.empty()) {
    return database == 0 ? "unix://" + endpoint.unix_path
                         : fmt::format("unix://{}?db={}", endpoint.unix_path, database);
  }
  if (!endpoint.sentinels.empty()) return describe_sentinels(endpoint);
  return fmt::format("redis://{}{}", to_string(endpoint.address),
                     database == 0 ? "" : fmt::format("/{}", database));
}

}  // namespace call::redis
