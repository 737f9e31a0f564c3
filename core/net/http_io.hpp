// What the Beast files of this module share. Private to net: included by .cpp files only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "core/net/http.hpp"

namespace call::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

/// A TCP socket whose operations can expire.
using TcpStream = beast::basic_stream<asio::ip::tcp, asio::io_context::executor_type>;
using RequestParser = http::request_parser<http::string_body>;
using ResponseParser = http::response_parser<http::string_body>;

Headers headers_of(const http::fields& fields);
/// Moves the body out of the parser's message.
HttpRequest take_request(RequestParser& parser, Peer peer);
HttpResponse take_response(ResponseParser& parser);

/// The answer to a request that could not be read; nullopt when the peer is gone and none makes
/// sense.
std::optional<HttpResponse> answer_to_bad_request(const error_code& ec);

}  // namespace call::net
