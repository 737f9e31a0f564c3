// HTTP messages as plain data, the same for clients and servers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace call::net {

/// Header fields in the order sent; names compare without case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  /// The first value of that name, or nullptr.
  const std::string* find(std::string_view name) const;
  /// The first value of that name, or "".
  std::string_view get(std::string_view name) const;
  void set(std::string name, std::string value);  ///< replaces all of that name
  void add(std::string name, std::string value);
  void remove(std::string_view name);

  bool empty() const { return fields_.empty(); }
  std::size_t size() const { return fields_.size(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

struct Peer {
  std::string address;  ///< numeric; an IPv4 client of an IPv6 socket is shown as IPv4
  std::uint16_t port = 0;
};

struct HttpRequest {
  std::string method = "GET";
  std::string target;  ///< path and query as sent; a client leaves it empty to take the URL's
  Headers headers;
  std::string body;
  Peer peer;  ///< filled by servers

  std::string_view path() const;   ///< the target before "?", still percent-encoded
  std::string_view query() const;  ///< the target behind "?"
};

/// How a server spoils its answer on purpose, as the simulated carrier does: only the first `bytes`
/// of it leave.
struct Spoil {
  enum class End { close, half_close, reset };
  std::size_t bytes = 0;
  End end = End::close;
};

struct HttpResponse {
  int status = 200;
  Headers headers;
  std::string body;
  std::optional<Spoil> spoil{};  ///< servers only
};

/// A response with a Content-Type of "text/plain; charset=utf-8".
HttpResponse text_response(int status, std::string text);
/// A response with a Content-Type of "application/json".
HttpResponse json_response(int status, std::string json);

/// "Basic ..." of RFC 7617, for an Authorization header.
std::string basic_auth(std::string_view user, std::string_view password);
/// User and password of such a header; false when it is not one.
bool parse_basic_auth(std::string_view header, std::string& user, std::string& password);

}  // namespace call::net
