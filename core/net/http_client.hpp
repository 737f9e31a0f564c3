// One HTTP/1.1 call on one fresh connection. It never follows a redirect and never sends twice:
// whether a failed call may be repeated is for the caller to decide, and `sent` is what the
// decision rests on.
#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/net/http.hpp"
#include "core/net/url.hpp"

namespace call::net {

enum class Sent {
  no,     ///< proven: the failure came before the first byte of the request was written
  maybe,  ///< some or all of the request may have reached the server
};

struct TlsOptions {
  bool verify = true;   ///< the certificate's chain and host name
  std::string ca_file;  ///< PEM; empty = the system's store
};

struct HttpCallOptions {
  TlsOptions tls;
  std::size_t max_header_bytes = 64U << 10;
  std::size_t max_body_bytes = 8U << 20;
  /// When set, a 2xx body goes here piece by piece as it arrives and the response's body stays
  /// empty. Runs on the calling thread; false ends the call with Errc::cancelled.
  std::function<bool(std::string_view piece)> on_data;
  /// When set, asked on the calling thread right before the first byte leaves: a connection may have
  /// taken long. False ends the call with Errc::cancelled, and nothing was sent.
  std::function<bool()> still_wanted;
  /// A stop from any thread ends the call with Errc::cancelled.
  std::stop_token stop;
};

struct HttpCallResult {
  /// Any complete answer is a success here, whatever its status. Errors: unavailable (no
  /// connection), timeout, cancelled, closed (the server went away), protocol, limit, permission
  /// (the certificate).
  Result<HttpResponse> response;
  Sent sent;
};

/// Blocks until the answer, an error or the deadline. Host, Content-Length and "Connection: close"
/// are set here. A name look-up that hangs may overrun the deadline by the resolver's own time-out;
/// numeric hosts skip it.
HttpCallResult http_call(const Url& url, const HttpRequest& request, Deadline deadline,
                         const HttpCallOptions& options = {});

}  // namespace call::net
