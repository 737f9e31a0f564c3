// The first half of a message as text. Written here rather than with Beast: it is a page of code,
// and the client must know exactly when the first byte goes out. Private to net.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/net/http.hpp"
#include "core/net/url.hpp"

namespace call::net {

/// "Not Found"; "Status" for a code that we do not know.
std::string_view reason_phrase(int status);

/// True for a status whose answer never has a body (1xx, 204, 304).
bool never_has_body(int status);

/// Everything before the body. Content-Length, Connection and Date are ours; fields that would
/// break the message (line breaks inside) are left out.
std::string response_head(const HttpResponse& response, bool keep_alive);

/// As above with Host, Content-Length, "Connection: close" unless kept alive and, if absent,
/// User-Agent.
std::string request_head(const Url& url, const HttpRequest& request, bool keep_alive = false);

/// True when method and target can stand in a request line.
bool is_valid_request_line(std::string_view method, std::string_view target);

}  // namespace call::net
