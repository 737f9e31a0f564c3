#include "core/api/router.hpp"

#include <optional>
#include <utility>

#include "core/api/problem.hpp"
#include "core/base/strings.hpp"

namespace call::api {
namespace {

constexpr std::size_t kMaxQueryParams = 32;

std::vector<std::string_view> segments_of(std::string_view path) {
  while (!path.empty() && path.front() == '/') path.remove_prefix(1);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  return split(path, '/');
}

bool is_capture(std::string_view segment) {
  return segment.starts_with('{');
}

/// The captures, still encoded, when the path fits the pattern.
std::optional<std::vector<std::string_view>> match(const std::vector<std::string>& pattern,
                                                   const std::vector<std::string_view>& path) {
  if (pattern.size() != path.size()) return std::nullopt;
  std::vector<std::string_view> captures;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (is_capture(pattern[i])) {
      if (path[i].empty()) return std::nullopt;
      captures.push_back(path[i]);
    } else if (pattern[i] != path[i]) {
      return std::nullopt;
    }
  }
  return captures;
}

}  // namespace

void Router::add(std::string method, std::string_view pattern, Handler handler) {
  std::vector<std::string> segments;
  for (const auto segment : segments_of(pattern)) segments.emplace_back(segment);
  routes_.push_back({std::move(method), std::move(segments), std::move(handler)});
}

std::vector<std::string> Router::routes() const {
  std::vector<std::string> out;
  for (const auto& route : routes_) out.push_back(route.method + " /" + join(route.segments, "/"));
  return out;
}

net::HttpResponse Router::route(const net::HttpRequest& request) const {
  const auto path = segments_of(request.path());
  std::vector<std::string> allowed;
  for (const auto& route : routes_) {
    const auto captures = match(route.segments, path);
    if (!captures) continue;
    if (route.method != request.method) {
      allowed.push_back(route.method);
      continue;
    }
    auto query = net::decode_form(request.query(), kMaxQueryParams);
    if (!query)
      return problem(400, "invalid_argument", "the query string: " + query.error().context);
    Request routed{request, {}, *std::move(query)};
    for (const auto capture : *captures) {
      auto decoded = net::percent_decode(capture);
      if (!decoded || !is_valid_utf8(*decoded))
        return problem(400, "invalid_argument", "the path is not percent-encoded UTF-8");
      routed.captures.push_back(*std::move(decoded));
    }
    return route.handler(routed);
  }
  if (allowed.empty()) return problem(404, "not_found", "there is no such resource");
  auto response = problem(405, "method_not_allowed", "the resource does not know this method");
  response.headers.set("Allow", join(allowed, ", "));
  return response;
}

}  // namespace call::api
