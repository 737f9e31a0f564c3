// Both sides of TLS. Asio, no Beast. Private to net.
#pragma once

#include <openssl/types.h>

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "core/base/result.hpp"
#include "core/net/http_client.hpp"

namespace call::net {

/// TLS 1.2 and later. Errc::invalid_argument when the CA file cannot be read.
Result<boost::asio::ssl::context> make_tls_context(const TlsOptions& options);

struct ServerTls;
/// Errc::invalid_argument names the file that cannot be used.
Result<boost::asio::ssl::context> make_server_tls_context(const ServerTls& files);

/// Sets what the server must prove: its name for SNI and, when verifying, for its certificate.
Status expect_host(SSL* session, const std::string& host, bool verify);

}  // namespace call::net
