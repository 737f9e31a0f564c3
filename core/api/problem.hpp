// Errors of the HTTP API: application/problem+json (RFC 9457). `code` is stable and made for programs,
// `detail` is one sentence for people.
#pragma once

#include <string_view>

#include "core/base/error.hpp"
#include "core/net/http.hpp"

namespace call::api {

/// {"type":"about:blank","title":<the status's phrase>,"status":...,"code":...,"detail":...}
net::HttpResponse problem(int status, std::string_view code, std::string_view detail);

/// The answer to a failed operation. A service that is away becomes 503 with Retry-After; an
/// internal error keeps its text to itself (the caller logs it).
net::HttpResponse problem(const Error& error);

}  // namespace call::api
