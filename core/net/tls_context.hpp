// What is inside a TlsClient. Private to net: included by .cpp files only.
#pragma once

#include <boost/asio/ssl/context.hpp>

#include "core/net/tls.hpp"
#include "core/net/tls_client.hpp"

namespace call::net {

struct TlsClient::Impl {
  boost::asio::ssl::context context;
  bool verify = true;
};

}  // namespace call::net
