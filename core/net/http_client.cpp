// The call runs on an io_context of its own, on the calling thread: each step starts one
// asynchronous operation and runs the context until it is done, the deadline passes or a stop
// arrives. That gives blocking code with a hard deadline and a cancel from other threads, neither
// of which blocking sockets have.
#include "core/net/http_client.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "core/base/affinity.hpp"
#include "core/base/crash_point.hpp"
#include "core/net/http_io.hpp"
#include "core/net/tls.hpp"
#include "core/net/wire.hpp"

namespace call::net {
namespace {

using asio::ip::tcp;
using Resolver = asio::ip::basic_resolver<tcp, asio::io_context::executor_type>;

class Call {
 public:
  Call(const Url& url, const HttpRequest& request, Deadline deadline,
       const HttpCallOptions& options)
      : url_(url),
        request_(request),
        deadline_(deadline),
        options_(options),
        socket_(io_),
        on_stop_(options.stop, [this] { asio::post(io_, [this] { stop(Errc::cancelled); }); }) {}

  HttpCallResult run() {
    try {
      auto response = url_.tls() ? over_tls() : over_tcp();
      return {std::move(response), sent_};
    } catch (const std::exception& error) {  // e.g. no memory for a TLS context
      return {Error{Errc::internal, "cannot call " + url_.authority() + ": " + error.what()},
              sent_};
    }
  }

 private:
  Result<HttpResponse> over_tcp() {
    CALL_CHECK(connect());
    return exchange(socket_);
  }

  Result<HttpResponse> over_tls() {
    CALL_TRY(auto context, make_tls_context(options_.tls));
    CALL_CHECK(connect());
    beast::ssl_stream<TcpStream&> stream(socket_, context);
    CALL_CHECK(expect_host(stream.native_handle(), url_.host, options_.tls.verify));
    const error_code ec = await([&](auto done) {
      stream.async_handshake(asio::ssl::stream_base::client, std::move(done));
    });
    if (ec) {
      const bool bad_certificate =
          options_.tls.verify && SSL_get_verify_result(stream.native_handle()) != X509_V_OK;
      return failure("TLS handshake with", ec,
                     bad_certificate ? Errc::permission : Errc::unavailable);
    }
    return exchange(stream);
  }

  Status connect() {
    CALL_TRY(const auto endpoints, resolve());
    error_code ec = asio::error::host_not_found;
    for (std::size_t i = 0; i < endpoints.size() && !stopped_; ++i) {
      // An address that swallows packets must leave time for the next one.
      const auto share = deadline_.left() / static_cast<int>(endpoints.size() - i);
      if (!deadline_.is_never()) socket_.expires_after(share);
      ec = await([&](auto done) { socket_.async_connect(endpoints[i], std::move(done)); });
      if (!ec) break;
    }
    if (ec || stopped_) return failure("connect to", ec, Errc::unavailable);
    socket_.expires_never();
    socket_.socket().set_option(tcp::no_delay(true), ec);
    return {};
  }

  Result<std::vector<tcp::endpoint>> resolve() {
    error_code ec;
    if (const auto numeric = asio::ip::make_address(url_.host, ec); !ec) {
      return std::vector<tcp::endpoint>{{numeric, url_.port}};
    }
    Resolver resolver(io_);
    std::vector<tcp::endpoint> endpoints;
    cancel_lookup_ = [&resolver] { resolver.cancel(); };
    ec = await([&](auto done) {
      resolver.async_resolve(url_.host, std::to_string(url_.port),
                             [&endpoints, done](const error_code& e, const auto& found) mutable {
                               for (const auto& entry : found)
                                 endpoints.push_back(entry.endpoint());
                               done(e);
                             });
    });
    cancel_lookup_ = nullptr;
    if (ec) return failure("look up", ec, Errc::unavailable);
    return endpoints;
  }

  template <class Stream>
  Result<HttpResponse> exchange(Stream& stream) {
    const std::string head = request_head(url_, request_);
    std::vector<asio::const_buffer> parts = {asio::buffer(head), asio::buffer(request_.body)};
    CALL_CRASH_POINT("http.connected");
    if (stopped_ || deadline_.passed()) return failure("call", {}, Errc::timeout);
    if (options_.still_wanted && !options_.still_wanted())
      return Error{Errc::cancelled, "the call to " + url_.authority() + " is not wanted any more"};
    sent_ = Sent::maybe;
    if constexpr (kCrashPoints) {
      await([&](auto done) { asio::async_write(stream, parts.front(), std::move(done)); });
      parts.erase(parts.begin());
      CALL_CRASH_POINT("http.mid_request");
    }
    const error_code write_ec =
        await([&](auto done) { asio::async_write(stream, parts, std::move(done)); });
    if (stopped_) return failure("send a request to", write_ec, Errc::closed);
    CALL_CRASH_POINT("http.sent");
    // A server may answer before it has read all, and close: the answer counts, not the failed
    // write.
    auto response = read_response(stream);
    if (write_ec && !response) return failure("send a request to", write_ec, Errc::closed);
    return response;
  }

  template <class Stream>
  Result<HttpResponse> read_response(Stream& stream) {
    beast::flat_buffer buffer;
    std::optional<ResponseParser> parser;
    error_code ec;
    do {  // 1xx answers announce the real one
      parser.emplace();
      parser->header_limit(static_cast<std::uint32_t>(options_.max_header_bytes));
      parser->body_limit(options_.max_body_bytes);
      if (request_.method == "HEAD") parser->skip(true);
      ec = await(
          [&](auto done) { http::async_read_header(stream, buffer, *parser, std::move(done)); });
      if (ec) return read_failure(ec);
    } while (parser->get().result_int() / 100 == 1);

    CALL_CRASH_POINT("http.mid_response");
    const bool streaming = options_.on_data && parser->get().result_int() / 100 == 2;
    while (!parser->is_done()) {
      ec = await(
          [&](auto done) { http::async_read_some(stream, buffer, *parser, std::move(done)); });
      if (streaming && !deliver(parser->get().body())) {
        return Error{Errc::cancelled, "the receiver ended the call to " + url_.authority()};
      }
      if (ec) return read_failure(ec);
    }
    return take_response(*parser);
  }

  bool deliver(std::string& body) const {
    if (body.empty()) return true;
    const bool go_on = options_.on_data(body);
    body.clear();
    return go_on;
  }

  // Starts an operation and runs it to its end. After a stop the socket is closed, so that every
  // operation ends at once.
  template <class Start>
  error_code await(Start start) {
    bool done = false;
    error_code result;
    start([&](const error_code& ec, auto&&...) {
      done = true;
      result = ec;
    });
    io_.restart();
    while (!done) {
      if (io_.run_one_until(deadline_.point()) == 0) stop(Errc::timeout);
      if (stopped_) {
        while (!done && io_.run_one() > 0) {
        }
      }
    }
    return result;
  }

  void stop(Errc why) {
    if (!stopped_) stopped_ = why;
    if (cancel_lookup_) cancel_lookup_();
    socket_.close();
  }

  Error read_failure(const error_code& ec) const {
    if (ec == http::error::body_limit || ec == http::error::header_limit) {
      return {Errc::limit, "the answer of " + url_.authority() + " is too large"};
    }
    const bool cut = ec == http::error::end_of_stream || ec == http::error::partial_message ||
                     ec.category() != error_code(http::error::bad_method).category();
    return failure("read the answer of", ec, cut ? Errc::closed : Errc::protocol);
  }

  Error failure(const char* what, const error_code& ec, Errc code) const {
    std::string text = std::string("cannot ") + what + " " + url_.authority() + ": ";
    if (stopped_ == Errc::cancelled) return {Errc::cancelled, text + "cancelled"};
    if (stopped_ || deadline_.passed()) return {Errc::timeout, text + "no answer in time"};
    return {code, text + ec.message()};
  }

  const Url& url_;
  const HttpRequest& request_;
  const Deadline deadline_;
  const HttpCallOptions& options_;
  asio::io_context io_{1};
  TcpStream socket_;
  std::function<void()> cancel_lookup_;
  std::optional<Errc> stopped_;
  Sent sent_ = Sent::no;
  std::stop_callback<std::function<void()>> on_stop_;  // last: it must end before what it uses
};

}  // namespace

HttpCallResult http_call(const Url& url, const HttpRequest& request, Deadline deadline,
                         const HttpCallOptions& options) {
  assert_may_block("http_call");
  const std::string target = request.target.empty() ? url.target() : request.target;
  if (!is_valid_request_line(request.method, target)) {
    return {Error{Errc::invalid_argument, "the method or target of the request is not valid"},
            Sent::no};
  }
  try {
    return Call(url, request, deadline, options).run();
  } catch (const boost::system::system_error& error) {  // no descriptors for an io_context
    return {Error{Errc::io, "cannot call " + url.authority() + ": " + error.what()}, Sent::no};
  }
}

}  // namespace call::net
