#include "core/redis/endpoint.hpp"

#include <fmt/format.h>

#include <optional>

#include "core/base/strings.hpp"

namespace call::redis {
namespace {

constexpr std::size_t kMaxUrlBytes = 1024;
constexpr int kMaxDatabase = 1 << 20;

Error bad_url(std::string_view why) {
  return {Errc::invalid_argument,
          fmt::format("the Redis URL {} (expected redis://[:password@]host[:port][/db] or "
                      "unix://[:password@]/path)",
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

Status read_tcp(std::string_view rest, Endpoint& endpoint) {
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos) {
    CALL_CHECK(read_database(rest.substr(slash + 1), endpoint));
    rest = rest.substr(0, slash);
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return bad_url("has an unclosed [ in the host");
    port = rest.substr(end + 1);
    rest = rest.substr(1, end - 1);
  } else if (const auto colon = rest.find(':'); colon != std::string_view::npos) {
    port = rest.substr(colon);
    rest = rest.substr(0, colon);
  }
  if (!port.empty()) {
    const auto number = port[0] == ':' ? parse_number<std::uint16_t>(port.substr(1)) : std::nullopt;
    if (!number || *number == 0) return bad_url("has a port that is not 1 to 65535");
    endpoint.port = *number;
  }
  if (!rest.empty()) endpoint.host = std::string(rest);
  return {};
}

}  // namespace

Result<Endpoint> parse_url(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return bad_url("is too long");
  const bool is_unix = url.starts_with("unix://");
  if (!is_unix && !url.starts_with("redis://")) return bad_url("has another scheme");
  auto rest = url.substr(url.find("//") + 2);

  Endpoint endpoint;
  if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
    CALL_CHECK(read_credentials(rest.substr(0, at), endpoint));
    rest = rest.substr(at + 1);
  }
  CALL_CHECK(is_unix ? read_unix(rest, endpoint) : read_tcp(rest, endpoint));
  return endpoint;
}

std::string describe(const Endpoint& endpoint) {
  const auto database = endpoint.database;
  if (!endpoint.unix_path.empty()) {
    return database == 0 ? "unix://" + endpoint.unix_path
                         : fmt::format("unix://{}?db={}", endpoint.unix_path, database);
  }
  const bool v6 = endpoint.host.find(':') != std::string::npos;
  return fmt::format("redis://{}{}{}:{}{}", v6 ? "[" : "", endpoint.host, v6 ? "]" : "",
                     endpoint.port, database == 0 ? "" : fmt::format("/{}", database));
}

}  // namespace call::redis
