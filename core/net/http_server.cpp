// Sockets are handled on one loop thread; a request crosses to the pool as plain data and its
// answer comes back by post(). A session therefore has no lock: everything in it belongs to the
// loop. Sessions are owned by Impl::sessions; each operation under way holds a reference besides.
//
// While a handler works, its connection is not read: a client that leaves early is noticed when the
// answer is written. Pipelined requests wait in the buffer and are answered in order.
#include "core/net/http_server.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/log/log.hpp"
#include "core/net/http_io.hpp"
#include "core/net/listener.hpp"
#include "core/net/wire.hpp"
#include "core/runtime/loop.hpp"
#include "core/runtime/thread_pool.hpp"
#include "core/runtime/timer.hpp"

namespace call::net {
namespace {

constexpr std::size_t kReadBytes = 4096;
constexpr std::chrono::milliseconds kLinger{2000};
constexpr std::chrono::milliseconds kAgain{100};
constexpr std::chrono::seconds kPulse{1};

}  // namespace

struct HttpServer::Impl {
  class Session;

  Impl(HttpServerOptions server_options, HttpHandler server_handler)
      : options(std::move(server_options)),
        handler(std::move(server_handler)),
        pulse(options.pulses, options.name),
        pool(options.name, options.threads, options.queue_capacity),
        loop(options.name + "-io") {}

  void start_pulse();
  void take(TcpSocket socket);
  void remove(const std::shared_ptr<Session>& session);
  HttpResponse run_handler(const HttpRequest& request);
  bool wait_until_empty(Deadline deadline);

  const HttpServerOptions options;
  const HttpHandler handler;
  const log::Logger log{"http"};
  log::Throttle full_throttle{std::chrono::seconds(10)};
  std::atomic<bool> cut{false};  // handlers of waiting requests are not run any more
  bool draining = false;         // loop thread
  bool stopped = false;          // the owner's thread
  std::unordered_set<std::shared_ptr<Session>> sessions;  // loop thread
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t open_sessions = 0;  // mutex
  std::uint16_t port = 0;
  std::shared_ptr<Listener> listener;
  runtime::Pulse pulse;
  runtime::ThreadPool pool;
  runtime::Loop loop;  // what it still holds when it ends may use everything above
  std::optional<runtime::Timer> pulse_timer;  // made on the loop, ends after its join()
};

class HttpServer::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Impl& server, TcpSocket socket)
      : server_(server), peer_(peer_of(socket)), socket_(std::move(socket)), timer_(server.loop) {}

  void start() { wait_for_request(); }

  // Closes now if nothing is being answered, else after the answer.
  void drain() {
    if (idle_) close();
  }

  void close() {
    if (closed_) return;
    closed_ = true;
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
    server_.remove(shared_from_this());
  }

 private:
  void wait_for_request() {
    if (server_.draining) return close();
    if (buffer_.size() > 0) return read_header();
    idle_ = true;
    limit_time(server_.options.idle_timeout);
    socket_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = shared_from_this()](const error_code& ec, std::size_t n) {
                              if (self->closed_) return;
                              if (ec) return self->close();
                              self->idle_ = false;
                              self->buffer_.commit(n);
                              self->read_header();
                            });
  }

  void read_header() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(server_.options.max_header_bytes));
    parser_->body_limit(server_.options.max_body_bytes);
    limit_time(server_.options.read_timeout);
    http::async_read_header(socket_, buffer_, *parser_,
                            [self = shared_from_this()](const error_code& ec, std::size_t) {
                              if (self->closed_) return;
                              if (ec) return self->refuse(ec);
                              self->on_header();
                            });
  }

  void on_header() {
    const auto expect = parser_->get()[http::field::expect];
    if (!beast::iequals(expect, "100-continue") || parser_->is_done()) return read_body();
    out_head_ = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(socket_, asio::buffer(out_head_),
                      [self = shared_from_this()](const error_code& ec, std::size_t) {
                        if (self->closed_) return;
                        if (ec) return self->close();
                        self->read_body();
                      });
  }

  void read_body() {
    http::async_read(socket_, buffer_, *parser_,
                     [self = shared_from_this()](const error_code& ec, std::size_t) {
                       if (self->closed_) return;
                       if (ec) return self->refuse(ec);
                       self->on_request();
                     });
  }

  void on_request() {
    timer_.cancel();
    keep_alive_ = parser_->get().keep_alive();
    started_ = MonoClock::now();
    auto request = std::make_shared<HttpRequest>(take_request(*parser_, peer_));
    head_only_ = request->method == "HEAD";
    if (head_only_) request->method = "GET";
    what_ = request->method + " " + std::string(request->path());
    auto task = [self = shared_from_this(), request]() mutable {
      auto& server = self->server_;
      auto response = std::make_shared<HttpResponse>(
          server.cut ? text_response(503, "shutting down\n") : server.run_handler(*request));
      request.reset();
      // The session moves on: its last reference must be dropped by the loop.
      server.loop.post([self = std::move(self), response] { self->answer(std::move(*response)); });
    };
    if (server_.pool.submit(std::move(task))) return;
    if (server_.full_throttle.admit()) {
      server_.log.warn("all {} threads are busy and {} requests wait: answering 503",
                       server_.options.threads, server_.options.queue_capacity);
    }
    HttpResponse busy = text_response(503, "too many requests at once\n");
    busy.headers.set("Retry-After", "1");
    answer(std::move(busy));
  }

  // What runs on the socket ends with operation_aborted after `span`. The socket stays usable for
  // an answer, which that of a beast::tcp_stream that expired does not.
  void limit_time(std::chrono::milliseconds span) {
    expired_ = false;
    timer_.after(span, [this] { expire(); });
  }

  void expire() {
    expired_ = true;
    error_code ignored;
    socket_.cancel(ignored);
    timer_.after(kAgain, [this] { expire(); });  // a cancel that comes between two reads is lost
  }

  // A request that could not be read: say why, then close, since what follows cannot be trusted.
  void refuse(const error_code& ec) {
    auto answer_text = answer_to_bad_request(expired_ ? beast::error::timeout : ec);
    if (!answer_text) return close();
    keep_alive_ = false;
    linger_ = true;
    started_ = MonoClock::now();
    what_ = "(unreadable request)";
    answer(std::move(*answer_text));
  }

  void answer(HttpResponse response) {
    if (closed_) return;
    keep_alive_ = keep_alive_ && !server_.draining;
    out_head_ = response_head(response, keep_alive_);
    out_body_ = std::move(response.body);
    if (head_only_ || never_has_body(response.status)) out_body_.clear();
    if (response.spoil) spoil(*response.spoil);
    server_.log.debug("{} {} -> {} in {} us", peer_.address, what_, response.status,
                      (MonoClock::now() - started_) / std::chrono::microseconds(1));
    limit_time(server_.options.write_timeout);
    const std::array<asio::const_buffer, 2> parts = {asio::buffer(out_head_),
                                                     asio::buffer(out_body_)};
    asio::async_write(socket_, parts,
                      [self = shared_from_this()](const error_code& ec, std::size_t) {
                        if (self->closed_) return;
                        if (ec) return self->close();
                        self->on_answered();
                      });
  }

  void spoil(const Spoil& how) {
    keep_alive_ = false;
    reset_ = how.end == Spoil::End::reset;
    linger_ = how.end == Spoil::End::half_close;
    out_head_.resize(std::min(how.bytes, out_head_.size()));
    out_body_.resize(std::min(how.bytes - out_head_.size(), out_body_.size()));
  }

  void on_answered() {
    if (keep_alive_) return wait_for_request();
    if (reset_) {
      error_code ignored;
      socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    }
    if (!linger_) return close();
    error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    limit_time(kLinger);
    discard();
  }

  // Closing with unread bytes would reset the connection and could destroy the answer on its way.
  void discard() {
    buffer_.clear();
    socket_.async_read_some(buffer_.prepare(kReadBytes),
                            [self = shared_from_this()](const error_code& ec, std::size_t) {
                              if (self->closed_) return;
                              if (ec) return self->close();
                              self->discard();
                            });
  }

  Impl& server_;
  const Peer peer_;
  TcpSocket socket_;
  runtime::Timer timer_;
  beast::flat_buffer buffer_;
  std::optional<RequestParser> parser_;
  MonoClock::time_point started_;
  std::string what_;
  std::string out_head_;
  std::string out_body_;
  bool expired_ = false;
  bool idle_ = false;
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool linger_ = false;
  bool reset_ = false;
  bool closed_ = false;
};

void HttpServer::Impl::take(TcpSocket socket) {
  if (sessions.size() >= options.max_connections) return refuse(std::move(socket));
  const auto session = std::make_shared<Session>(*this, std::move(socket));
  sessions.insert(session);
  {
    std::lock_guard lock(mutex);
    open_sessions = sessions.size();
  }
  session->start();
}

void HttpServer::Impl::remove(const std::shared_ptr<Session>& session) {
  sessions.erase(session);
  {
    std::lock_guard lock(mutex);
    open_sessions = sessions.size();
  }
  changed.notify_all();
}

// A round through the loop and the pool. A pool that is too busy for it beats with each request.
void HttpServer::Impl::start_pulse() {
  pulse_timer.emplace(loop);
  pulse_timer->every(kPulse, [this] { pool.submit([this] { pulse.beat(); }); });
}

HttpResponse HttpServer::Impl::run_handler(const HttpRequest& request) {
  pulse.beat();
  try {
    return handler(request);
  } catch (const std::exception& error) {
    log.error("the handler of {} {} failed: {}", request.method, request.path(), error.what());
    return text_response(500, "internal error\n");
  }
}

bool HttpServer::Impl::wait_until_empty(Deadline deadline) {
  assert_may_block("HttpServer::stop");
  std::unique_lock lock(mutex);
  return changed.wait_until(lock, MonoClock::now() + deadline.left(),
                            [this] { return open_sessions == 0; });
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(HttpServerOptions options,
                                                      HttpHandler handler) {
  assert_may_block("HttpServer::start");
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler));
  CALL_TRY(impl->listener, Listener::open(impl->loop, impl->options.listen));
  impl->port = impl->listener->port();
  impl->loop.post([server = impl.get()] {
    server->start_pulse();
    server->listener->start(
        [server]() -> runtime::Loop& { return server->loop; },
        [server](runtime::Loop&, TcpSocket socket) { server->take(std::move(socket)); });
  });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

HttpServer::~HttpServer() {
  stop(Deadline::after(std::chrono::milliseconds(0)));
}

std::uint16_t HttpServer::port() const {
  return impl_->port;
}

void HttpServer::stop(Deadline deadline) {
  assert_may_block("HttpServer::stop");
  auto& server = *impl_;
  if (std::exchange(server.stopped, true)) return;
  server.loop.post([&server] {
    server.listener->close();
    if (server.pulse_timer) server.pulse_timer->cancel();
    server.draining = true;
    const auto sessions = server.sessions;  // drain() may remove from it
    for (const auto& session : sessions) session->drain();
    server.changed.notify_all();
  });
  server.wait_until_empty(deadline);
  server.cut = true;
  server.loop.post([&server] {
    const auto sessions = server.sessions;
    for (const auto& session : sessions) session->close();
  });
  server.pool.join();
  server.loop.stop();
  server.loop.join();
  server.sessions.clear();  // sockets must not outlive the loop
  server.listener.reset();
}

}  // namespace call::net
