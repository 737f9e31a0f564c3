// The HTTP request that turns a connection into a WebSocket, and its answer (RFC 6455, section 4).
// Pure; private to net.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/net/http.hpp"
#include "core/net/url.hpp"

namespace call::net {

/// The client asks for a WebSocket, rightly or wrongly.
bool is_upgrade(const HttpRequest& request);

/// What is wrong with the request, as the answer that says so; nullopt when it is good.
std::optional<HttpResponse> find_upgrade_fault(const HttpRequest& request);

/// The head of the 101 that answers a good request; `protocol` is chosen if the client offers it.
std::string upgrade_answer(const HttpRequest& request, std::string_view protocol);

/// A client's request with `key`, a fresh Sec-WebSocket-Key.
std::string upgrade_request(const Url& url, const Headers& headers, std::string_view key);
std::string make_upgrade_key();

/// Headers of a 101: do they accept our upgrade, and nothing that we did not offer?
bool is_upgrade_answer(const Headers& headers, std::string_view expected_accept);

}  // namespace call::net
