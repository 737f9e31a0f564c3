#include "core/net/wire.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/strings.hpp"

namespace call::net {
namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != kMarks.npos;
  });
}

bool is_field_value(std::string_view text) {
  constexpr std::string_view kBreaks("\r\n\0", 3);
  return text.find_first_of(kBreaks) == text.npos;
}

bool is_ours(std::string_view lower_name) {
  return lower_name == "content-length" || lower_name == "connection" ||
         lower_name == "transfer-encoding" || lower_name == "date" || lower_name == "host";
}

void append_fields(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (!is_token(name) || !is_field_value(value) || is_ours(to_lower_ascii(name))) continue;
    out.append(name).append(": ").append(value).append("\r\n");
  }
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 426:
      return "Upgrade Required";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Status";
  }
}

bool never_has_body(int status) {
  return status < 200 || status == 204 || status == 304;
}

std::string response_head(const HttpResponse& response, bool keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(response.status) + " ";
  out.append(reason_phrase(response.status)).append("\r\n");
  append_fields(out, response.headers);
  append_field(out, "Date", replace_all(to_rfc2822(wall_now()), "+0000", "GMT"));
  if (!never_has_body(response.status)) {
    append_field(out, "Content-Length", std::to_string(response.body.size()));
  }
  if (!keep_alive) append_field(out, "Connection", "close");
  return out.append("\r\n");
}

std::string request_head(const Url& url, const HttpRequest& request, bool keep_alive) {
  std::string out = request.method + " ";
  out.append(request.target.empty() ? url.target() : request.target).append(" HTTP/1.1\r\n");
  append_field(out, "Host", url.authority());
  append_fields(out, request.headers);
  if (request.headers.find("User-Agent") == nullptr) append_field(out, "User-Agent", "calld");
  const bool expects_body = request.method != "GET" && request.method != "HEAD";
  if (expects_body || !request.body.empty()) {
    append_field(out, "Content-Length", std::to_string(request.body.size()));
  }
  if (!keep_alive) append_field(out, "Connection", "close");
  return out.append("\r\n");
}

bool is_valid_request_line(std::string_view method, std::string_view target) {
  return is_token(method) && target.starts_with('/') &&
         std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c != 0x7f; });
}

}  // namespace call::net
