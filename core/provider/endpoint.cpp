#include "core/provider/endpoint.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/json/json.hpp"

namespace call::provider {
namespace {

constexpr std::size_t kMaxWords = 300;

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

/// {"error": {"message": ...}}, {"error": "..."}, {"detail": ...}, {"err_msg": ...} or the text.
std::string words_of(std::string_view body) {
  const auto json = json::parse(body, {}, "answer");
  std::string words;
  if (json) {
    for (const char* path :
         {"error.message", "error", "detail.message", "detail", "err_msg", "message"}) {
      const Json* found = json::find(*json, path);
      if (found == nullptr || !found->is_string()) continue;
      words = found->get<std::string>();
      break;
    }
  }
  if (words.empty()) words = to_valid_utf8(body);
  for (char& c : words) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  return std::string(truncate_utf8(trim(words), kMaxWords));
}

}  // namespace

net::Url with_path(net::Url base, std::string_view path) {
  while (base.path.ends_with('/')) base.path.pop_back();
  base.path += path;
  return base;
}

void add_query(net::Url& url, std::string_view name, std::string_view value) {
  if (!url.query.empty()) url.query += '&';
  url.query += percent_encode(name) + "=" + percent_encode(value);
}

std::string origin_of(const net::Url& url) {
  return url.scheme + "://" + url.authority();
}

Error error_of(int status, std::string_view body, std::string_view service) {
  const auto code = status == 401 || status == 403   ? Errc::permission
                    : status == 404                  ? Errc::not_found
                    : status == 429 || status >= 500 ? Errc::unavailable
                                                     : Errc::invalid_argument;
  const auto words = words_of(body);
  return {code,
          fmt::format("{} answered {}{}{}", service, status, words.empty() ? "" : ": ", words)};
}

std::optional<std::chrono::milliseconds> retry_after_of(const net::Headers& headers) {
  if (const auto ms = parse_number<std::int64_t>(trim(headers.get("retry-after-ms"))))
    return std::chrono::milliseconds(std::max<std::int64_t>(*ms, 0));
  const auto seconds = parse_number<double>(trim(headers.get("retry-after")));
  if (!seconds || !(*seconds >= 0) || *seconds > 86400) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*seconds * 1000));
}

}  // namespace call::provider
