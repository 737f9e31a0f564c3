#include "core/net/ws_client.hpp"

#include <utility>

#include "core/net/tls_context.hpp"
#include "core/net/wire.hpp"
#include "core/net/ws_session.hpp"
#include "core/net/ws_upgrade.hpp"
#include "core/runtime/loop.hpp"

namespace call::net {
namespace {

using asio::ip::tcp;
using Resolver = asio::ip::basic_resolver<tcp, asio::io_context::executor_type>;

// Brings a session's stream up: name, TCP, TLS, upgrade. When the session gives up meanwhile, its
// socket is closed and the next step ends here.
template <class Stream>
class Dial : public std::enable_shared_from_this<Dial<Stream>> {
 public:
  Dial(runtime::Loop& loop, Url url, Headers headers, std::shared_ptr<WsSession<Stream>> session)
      : url_(std::move(url)),
        headers_(std::move(headers)),
        session_(std::move(session)),
        resolver_(loop.context()) {}

  void start() {
    if (!session_->connecting()) return;
    if (!fault.empty()) return session_->fail(fault);
    session_->start_connecting();
    error_code not_numeric;
    const auto address = asio::ip::make_address(url_.host, not_numeric);
    if (!not_numeric) {
      endpoints_ = {{address, url_.port}};
      return connect();
    }
    resolver_.async_resolve(
        url_.host, std::to_string(url_.port),
        [self = this->shared_from_this()](const error_code& ec, const auto& found) {
          if (ec)
            return self->session_->fail("cannot look up " + self->url_.host + ": " + ec.message());
          for (const auto& entry : found) self->endpoints_.push_back(entry.endpoint());
          self->connect();
        });
  }

  /// Kept as long as the dialing: OpenSSL's objects refer to it afterwards by themselves.
  std::shared_ptr<TlsClient> tls;
  bool verify = true;
  std::string fault;  ///< why it cannot work at all

 private:
  TcpStream& lowest() { return beast::get_lowest_layer(session_->stream()); }

  void connect() {
    if (!session_->connecting()) return;
    lowest().async_connect(endpoints_,
                           [self = this->shared_from_this()](const error_code& ec, const auto&) {
                             self->on_connected(ec);
                           });
  }

  void on_connected(const error_code& ec) {
    if (!session_->connecting()) return;
    if (ec) return session_->fail("cannot connect to " + url_.authority() + ": " + ec.message());
    error_code ignored;
    lowest().socket().set_option(tcp::no_delay(true), ignored);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      handshake_tls();
    } else {
      upgrade();
    }
  }

  void handshake_tls() {
    auto& stream = session_->stream();
    if (auto ready = expect_host(stream.native_handle(), url_.host, verify); !ready) {
      return session_->fail(ready.error().context);
    }
    stream.async_handshake(asio::ssl::stream_base::client,
                           [self = this->shared_from_this()](const error_code& ec) {
                             if (!self->session_->connecting()) return;
                             if (!ec) return self->upgrade();
                             self->session_->fail("TLS handshake with " + self->url_.authority() +
                                                  " failed: " + ec.message());
                           });
  }

  void upgrade() {
    const auto key = make_upgrade_key();
    session_->handshake(upgrade_request(url_, headers_, key), accept_value(key));
  }

  const Url url_;
  const Headers headers_;
  const std::shared_ptr<WsSession<Stream>> session_;
  Resolver resolver_;
  std::vector<tcp::endpoint> endpoints_;
};

}  // namespace

WsHandle ws_connect(runtime::Loop& loop, const Url& url, Headers headers,
                    std::unique_ptr<WsHandler> handler, const WsClientOptions& options) {
  // The last references go along with the task: what belongs to the loop is destroyed there.
  if (!url.tls()) {
    auto session = WsSession<TcpStream>::make(loop, TcpStream(loop.context()), WsRole::client,
                                              options.limits, std::move(handler));
    auto handle = session->handle();
    auto dial =
        std::make_shared<Dial<TcpStream>>(loop, url, std::move(headers), std::move(session));
    loop.post([dial = std::move(dial)] { dial->start(); });
    return handle;
  }
  std::string fault;
  auto tls = options.tls_client;
  if (!tls) {
    auto made = TlsClient::make(options.tls);
    if (!made) {
      fault = made.error().context;
      made = TlsClient::make({.verify = false, .ca_file = ""});
    }
    tls = *made;
  }
  auto session =
      WsSession<TlsStream>::make(loop, TlsStream(TcpStream(loop.context()), tls->impl().context),
                                 WsRole::client, options.limits, std::move(handler));
  auto handle = session->handle();
  auto dial = std::make_shared<Dial<TlsStream>>(loop, url, std::move(headers), std::move(session));
  dial->verify = tls->impl().verify;
  dial->tls = std::move(tls);
  dial->fault = std::move(fault);
  loop.post([dial = std::move(dial)] { dial->start(); });
  return handle;
}

}  // namespace call::net
