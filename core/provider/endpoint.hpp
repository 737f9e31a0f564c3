// How an agent names a provider: plain data, read from the agent's file.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/base/secret.hpp"
#include "core/net/http.hpp"
#include "core/net/url.hpp"

namespace call::provider {

struct Endpoint {
  net::Url url;  ///< the service's base, e.g. https://api.openai.com/v1
  Secret key;    ///< empty: the service wants none
  std::string model;
  std::string voice;
  std::string language;
  /// Further settings, passed on as they are (query parameters or JSON members, see each provider).
  std::vector<std::pair<std::string, std::string>> extra;
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds answer_timeout{8000};   ///< until the first sign of the answer
  std::chrono::milliseconds silence_timeout{6000};  ///< within an answer
};

/// The base with more path behind it.
net::Url with_path(net::Url base, std::string_view path);
/// Adds a query parameter, percent-encoded.
void add_query(net::Url& url, std::string_view name, std::string_view value);
/// "https://api.openai.com": for breakers, metrics and the log.
std::string origin_of(const net::Url& url);

/// What an HTTP answer that is no success means, with the provider's own words where it has some.
Error error_of(int status, std::string_view body, std::string_view service);
/// Retry-After in seconds, or nullopt.
std::optional<std::chrono::milliseconds> retry_after_of(const net::Headers& headers);

}  // namespace call::provider
