// Every connection belongs to one loop, and each loop has a shelf with what it owns; shelves are
// touched on their loop only. The counts of all shelves are kept under one mutex for those who
// wait.
#include "core/net/ws_server.hpp"

#include <algorithm>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <deque>
#include <future>
#include <mutex>
#include <unordered_set>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/pi_mutex.hpp"
#include "core/log/log.hpp"
#include "core/net/listener.hpp"
#include "core/net/tls.hpp"
#include "core/net/wire.hpp"
#include "core/net/ws_session.hpp"
#include "core/net/ws_upgrade.hpp"
#include "core/runtime/loop.hpp"

namespace call::net {
namespace {

constexpr std::size_t kMaxBodyBytes = 64U << 10;

void run_on(runtime::Loop& loop, std::function<void()> task) {
  assert_may_block("WsServer: run_on");
  std::promise<void> done;
  loop.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace

struct WsServer::Impl {
  class Connection;
  template <class Stream>
  class Link;
  struct Shelf {
    explicit Shelf(runtime::Loop& own_loop) : loop(own_loop) {}
    runtime::Loop& loop;
    std::unordered_set<std::shared_ptr<Connection>> connections;
    std::deque<Connection*> strangers;  // of those, without a request yet; the oldest first
    bool stopping = false;
  };
  struct Counts {
    std::size_t sockets = 0;
    std::size_t handlers = 0;
    bool refusing = false;
  };

  Impl(WsServerOptions server_options, WsServerHooks server_hooks,
       const std::vector<runtime::Loop*>& loops)
      : options(std::move(server_options)), hooks(std::move(server_hooks)) {
    for (auto* loop : loops) shelves.push_back(std::make_unique<Shelf>(*loop));
  }

  runtime::Loop& next_loop() { return shelves[turn++ % shelves.size()]->loop; }
  void take(runtime::Loop& loop, TcpSocket socket);

  template <class F>
  auto with_counts(F f) {
    std::unique_lock lock(mutex);
    auto result = f(counts);
    lock.unlock();
    changed.notify_all();
    return result;
  }
  template <class F>
  bool wait_for(F f, Deadline deadline) {
    assert_may_block("WsServer: wait_for");
    std::unique_lock lock(mutex);
    return changed.wait_until(lock, MonoClock::now() + deadline.left(), [&] { return f(counts); });
  }
  void on_all_loops(const std::function<void(Shelf&)>& f) {
    for (auto& shelf : shelves) run_on(shelf->loop, [&] { f(*shelf); });
  }

  const WsServerOptions options;
  const WsServerHooks hooks;
  const log::Logger log{"http"};
  log::Throttle throttle{std::chrono::seconds(10)};
  std::optional<asio::ssl::context> tls;
  std::vector<std::unique_ptr<Shelf>> shelves;
  std::size_t turn = 0;  // the listener's loop
  std::shared_ptr<Listener> listener;
  std::uint16_t port = 0;
  PiMutex mutex;
  PiCondition changed;
  Counts counts;
};

// A socket of a shelf, whatever it speaks.
class WsServer::Impl::Connection {
 public:
  virtual ~Connection() = default;
  virtual void start() = 0;
  virtual void say_goodbye() = 0;
  virtual void cut() = 0;
};

// First TLS if there is any, then an HTTP request, then either an answer to it or a session.
template <class Stream>
class WsServer::Impl::Link final : public Connection,
                                   public std::enable_shared_from_this<Link<Stream>> {
 public:
  Link(Impl& server, Shelf& shelf, Peer peer, Stream stream)
      : server_(server), shelf_(shelf), peer_(std::move(peer)), stream_(std::move(stream)) {
    parser_.header_limit(static_cast<std::uint32_t>(server.options.max_header_bytes));
    parser_.body_limit(kMaxBodyBytes);
  }

  void start() override {
    shelf_.strangers.push_back(this);
    give_way();
    tcp().expires_after(server_.options.limits.handshake_timeout);
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](const error_code& ec) {
                                if (!self->gone_) ec ? self->remove() : self->read_request();
                              });
    } else {
      read_request();
    }
  }

  void say_goodbye() override {
    if (session_) {
      session_->close(1001, "the server is going away");
    } else {
      remove();
    }
  }

  void cut() override { session_ ? session_->cut() : remove(); }

 private:
  TcpStream& tcp() { return beast::get_lowest_layer(stream_); }

  /// Peers that do not finish their request cannot lock others out: the oldest one leaves.
  void give_way() {
    const auto& limit = server_.options.max_handshakes;
    if (shelf_.strangers.size() <= std::max<std::size_t>(limit / server_.shelves.size(), 1)) return;
    if (const auto hidden = server_.throttle.admit()) {
      server_.log.warn(
          "too many connections without a request, the oldest is cut ({} more not shown)", *hidden);
    }
    shelf_.strangers.front()->cut();
  }

  void read_request() {
    http::async_read(stream_, buffer_, parser_,
                     [self = this->shared_from_this()](const error_code& ec, std::size_t) {
                       if (self->gone_) return;
                       if (!ec) return self->on_request();
                       const auto bad = answer_to_bad_request(ec);
                       bad ? self->answer(*bad) : self->remove();
                     });
  }

  void on_request() {
    HttpRequest request = take_request(parser_, peer_);
    if (is_upgrade(request)) return on_upgrade(request);
    head_only_ = request.method == "HEAD";
    if (head_only_) request.method = "GET";
    answer(server_.hooks.http ? server_.hooks.http(request) : text_response(404, "not found\n"));
  }

  void on_upgrade(const HttpRequest& request) {
    if (server_.with_counts([](const Counts& counts) { return counts.refusing; })) {
      HttpResponse busy = text_response(503, "no new connections are taken\n");
      busy.headers.set("Retry-After", "1");
      return answer(busy);
    }
    if (buffer_.size() > 0) return answer(text_response(400, "data before the upgrade\n"));
    if (const auto fault = find_upgrade_fault(request)) return answer(*fault);
    WsUpgrade verdict = server_.hooks.upgrade(request);
    if (auto* refusal = std::get_if<HttpResponse>(&verdict)) return answer(*refusal);

    leave_strangers();
    server_.with_counts([](Counts& counts) { return ++counts.handlers; });
    const typename WsSession<Stream>::Watch watch{
        [&server = server_] {
          server.with_counts([](Counts& counts) { return --counts.handlers; });
        },
        [weak = this->weak_from_this()] {
          if (const auto self = weak.lock()) self->remove();
        }};
    session_ = WsSession<Stream>::make(
        shelf_.loop, std::move(stream_), WsRole::server, server_.options.limits,
        std::get<std::unique_ptr<WsHandler>>(std::move(verdict)), watch);
    session_->accept(upgrade_answer(request, server_.options.subprotocol));
  }

  void answer(const HttpResponse& response) {
    out_ = response_head(response, false);
    if (!head_only_ && !never_has_body(response.status)) out_ += response.body;
    tcp().expires_after(server_.options.limits.handshake_timeout);
    asio::async_write(stream_, asio::buffer(out_),
                      [self = this->shared_from_this()](const error_code&, std::size_t) {
                        error_code ignored;
                        self->tcp().socket().shutdown(asio::ip::tcp::socket::shutdown_send,
                                                      ignored);
                        self->remove();
                      });
  }

  void leave_strangers() { std::erase(shelf_.strangers, this); }

  void remove() {
    if (std::exchange(gone_, true)) return;
    leave_strangers();
    if (!session_) tcp().close();
    const auto self = this->shared_from_this();
    shelf_.connections.erase(self);
    server_.with_counts([](Counts& counts) { return --counts.sockets; });
  }

  Impl& server_;
  Shelf& shelf_;
  const Peer peer_;
  Stream stream_;  // moved from once there is a session
  beast::flat_buffer buffer_;
  RequestParser parser_;
  std::string out_;
  std::shared_ptr<WsSession<Stream>> session_;
  bool head_only_ = false;
  bool gone_ = false;
};

void WsServer::Impl::take(runtime::Loop& loop, TcpSocket socket) {
  const auto own = [&](const auto& shelf) { return &shelf->loop == &loop; };
  auto& shelf = **std::find_if(shelves.begin(), shelves.end(), own);
  const bool room = !shelf.stopping && with_counts([&](Counts& all) {
    return all.sockets < options.max_connections && ++all.sockets > 0;
  });
  if (!room) return refuse(std::move(socket));
  Peer peer = peer_of(socket);
  std::shared_ptr<Connection> connection;
  if (tls) {
    connection = std::make_shared<Link<TlsStream>>(*this, shelf, std::move(peer),
                                                   TlsStream(TcpStream(std::move(socket)), *tls));
  } else {
    connection = std::make_shared<Link<TcpStream>>(*this, shelf, std::move(peer),
                                                   TcpStream(std::move(socket)));
  }
  shelf.connections.insert(connection);
  connection->start();
}

Result<std::unique_ptr<WsServer>> WsServer::start(WsServerOptions options, WsServerHooks hooks,
                                                  const std::vector<runtime::Loop*>& loops) {
  assert_may_block("WsServer::start");
  CALL_ASSERT(!loops.empty() && hooks.upgrade);
  auto impl = std::make_unique<Impl>(std::move(options), std::move(hooks), loops);
  if (impl->options.tls) {
    CALL_TRY(impl->tls, make_server_tls_context(*impl->options.tls));
  }
  CALL_TRY(impl->listener, Listener::open(*loops[0], impl->options.listen));
  impl->port = impl->listener->port();
  loops[0]->post([server = impl.get()] {
    server->listener->start(
        [server]() -> runtime::Loop& { return server->next_loop(); },
        [server](runtime::Loop& loop, TcpSocket socket) { server->take(loop, std::move(socket)); });
  });
  return std::unique_ptr<WsServer>(new WsServer(std::move(impl)));
}

WsServer::WsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

WsServer::~WsServer() {
  stop(Deadline::after(std::chrono::milliseconds(0)));
}

std::uint16_t WsServer::port() const {
  return impl_->port;
}

std::size_t WsServer::connections() const {
  return impl_->with_counts([](const Impl::Counts& counts) { return counts.handlers; });
}

void WsServer::refuse_upgrades() {
  impl_->with_counts([](Impl::Counts& counts) { return counts.refusing = true; });
}

bool WsServer::wait_idle(Deadline deadline) {
  assert_may_block("WsServer::wait_idle");
  return impl_->wait_for([](const auto& counts) { return counts.handlers == 0; }, deadline);
}

void WsServer::stop(Deadline deadline) {
  assert_may_block("WsServer::stop");
  auto& server = *impl_;
  if (!server.listener) return;
  // First the listener, alone: a socket that it has handed on comes before the farewell of its
  // loop.
  run_on(server.shelves[0]->loop, [&] {
    server.listener->close();
    server.listener.reset();
  });
  server.on_all_loops([](Impl::Shelf& shelf) {
    shelf.stopping = true;
    const auto connections = shelf.connections;  // those without a session leave at once
    for (const auto& connection : connections) connection->say_goodbye();
  });
  server.wait_for([](const auto& counts) { return counts.handlers == 0; }, Deadline::never());
  server.wait_for([](const auto& counts) { return counts.sockets == 0; }, deadline);
  server.on_all_loops([](Impl::Shelf& shelf) {
    const auto connections = shelf.connections;
    for (const auto& connection : connections) connection->cut();
  });
}

}  // namespace call::net
