// Which handler answers which method and path. Patterns are literal segments and {captures}:
// "/v1/lists/{id}/start". Filled once at start, then immutable and thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/form.hpp"
#include "core/net/http.hpp"

namespace call::api {

/// One request as a handler sees it. Borrowed for the time of the call.
struct Request {
  const net::HttpRequest& http;
  std::vector<std::string> captures;  ///< of the pattern, in order, percent-decoded
  net::Params query;
};

using Handler = std::function<net::HttpResponse(const Request&)>;

class Router {
 public:
  void add(std::string method, std::string_view pattern, Handler handler);

  /// "GET /v1/lists/{id}", in the order added.
  std::vector<std::string> routes() const;

  /// Answers 404 for an unknown path, 405 with Allow for an unknown method of a known one, 400 for
  /// a path or query that does not decode. A trailing slash is not significant.
  net::HttpResponse route(const net::HttpRequest& request) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace call::api
