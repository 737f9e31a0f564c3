#include "core/api/problem.hpp"

#include <nlohmann/json.hpp>
#include <string>

#include "core/json/json.hpp"

namespace call::api {
namespace {

constexpr const char* kRetryAfterSeconds = "5";

std::string_view title(int status) {
  switch (status) {
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
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 503:
      return "Service Unavailable";
    default:
      return "Internal Server Error";
  }
}

int status_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
    case Errc::protocol:
      return 400;
    case Errc::not_found:
      return 404;
    case Errc::conflict:
      return 409;
    case Errc::permission:
      return 403;
    case Errc::limit:
      return 413;
    case Errc::unavailable:
    case Errc::timeout:
    case Errc::cancelled:
    case Errc::closed:
      return 503;
    case Errc::io:
    case Errc::internal:
      return 500;
  }
  return 500;
}

}  // namespace

net::HttpResponse problem(int status, std::string_view code, std::string_view detail) {
  const Json body{{"type", "about:blank"},
                  {"title", title(status)},
                  {"status", status},
                  {"code", code},
                  {"detail", detail}};
  auto response = net::json_response(status, json::dump(body) + "\n");
  response.headers.set("Content-Type", "application/problem+json");
  if (status == 503) response.headers.set("Retry-After", kRetryAfterSeconds);
  return response;
}

net::HttpResponse problem(const Error& error) {
  const int status = status_of(error.code);
  if (status == 503) return problem(status, "unavailable", "a needed service is away; try again");
  if (status == 500) return problem(status, "internal", "an internal error, see the log");
  return problem(status, to_string(error.code), error.context);
}

}  // namespace call::api
