#include "core/net/http_io.hpp"

#include <boost/beast/http/error.hpp>
#include <utility>

namespace call::net {

Headers headers_of(const http::fields& fields) {
  Headers out;
  for (const auto& field : fields) {
    out.add(std::string(field.name_string()), std::string(field.value()));
  }
  return out;
}

HttpRequest take_request(RequestParser& parser, Peer peer) {
  auto& message = parser.get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  request.target = std::string(message.target());
  request.headers = headers_of(message);
  request.body = std::move(message.body());
  request.peer = std::move(peer);
  return request;
}

HttpResponse take_response(ResponseParser& parser) {
  auto& message = parser.get();
  return {static_cast<int>(message.result_int()), headers_of(message), std::move(message.body())};
}

std::optional<HttpResponse> answer_to_bad_request(const error_code& ec) {
  if (ec == beast::error::timeout) return text_response(408, "the request took too long\n");
  if (ec == http::error::body_limit) return text_response(413, "the body is too large\n");
  if (ec == http::error::header_limit || ec == http::error::buffer_overflow) {
    return text_response(431, "the header is too large\n");
  }
  if (ec == http::error::end_of_stream || ec == http::error::partial_message) return std::nullopt;
  if (ec.category() == error_code(http::error::bad_method).category()) {
    return text_response(400, "not a valid HTTP/1.1 request: " + ec.message() + "\n");
  }
  return std::nullopt;
}

}  // namespace call::net
