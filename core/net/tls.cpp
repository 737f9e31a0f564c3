#include "core/net/tls.hpp"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <utility>

#include "core/net/tls_context.hpp"
#include "core/net/ws_server.hpp"

namespace call::net {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

Result<ssl::context> make_tls_context(const TlsOptions& options) {
  ssl::context context(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (!options.verify) {
    context.set_verify_mode(ssl::verify_none);
    return context;
  }
  error_code ec;
  context.set_verify_mode(ssl::verify_peer);
  if (options.ca_file.empty()) {
    context.set_default_verify_paths(ec);
  } else {
    context.load_verify_file(options.ca_file, ec);
  }
  if (ec) {
    return Error{Errc::invalid_argument,
                 "cannot read certificates from " +
                     (options.ca_file.empty() ? std::string("the system") : options.ca_file) +
                     ": " + ec.message()};
  }
  return context;
}

TlsClient::TlsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<TlsClient>> TlsClient::make(const TlsOptions& options) {
  CALL_TRY(auto context, make_tls_context(options));
  return std::make_shared<TlsClient>(
      std::make_unique<Impl>(Impl{std::move(context), options.verify}));
}

Result<ssl::context> make_server_tls_context(const ServerTls& files) {
  ssl::context context(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  error_code ec;
  context.use_certificate_chain_file(files.certificate_file, ec);
  if (ec) {
    return Error{Errc::invalid_argument,
                 "cannot use the certificate " + files.certificate_file + ": " + ec.message()};
  }
  context.use_private_key_file(files.key_file, ssl::context::pem, ec);
  if (ec) {
    return Error{Errc::invalid_argument, "cannot use the key " + files.key_file +
                                             " with the certificate " + files.certificate_file +
                                             ": " + ec.message()};
  }
  return context;
}

Status expect_host(SSL* session, const std::string& host, bool verify) {
  error_code not_numeric;
  boost::asio::ip::make_address(host, not_numeric);
  bool ok = true;
  if (not_numeric) {
    // SSL_set_tlsext_host_name() without the old-style cast of the macro
    ok = SSL_ctrl(session, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
    if (verify) ok = ok && SSL_set1_host(session, host.c_str()) == 1;
  } else if (verify) {
    ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
  }
  if (!ok) return Error{Errc::internal, "cannot prepare TLS for " + host};
  return {};
}

}  // namespace call::net
