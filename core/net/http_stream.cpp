// A Line is one connection and carries one task at a time. Everything lives on the loop; a task or a
// line that was given up is recognised by `task_` being another one when an operation completes.
#include "core/net/http_stream.hpp"

#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cerrno>
#include <list>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/net/http_io.hpp"
#include "core/net/tls_context.hpp"
#include "core/net/wire.hpp"
#include "core/runtime/timer.hpp"

namespace call::net {
namespace {

using asio::ip::tcp;
using std::chrono::milliseconds;
using Resolver = asio::ip::basic_resolver<tcp, asio::io_context::executor_type>;
using PlainStream = TcpStream;
using SecureStream = beast::ssl_stream<TcpStream>;

constexpr std::size_t kMaxHeaderBytes = 64U << 10;

class Line;

}  // namespace

struct HttpStreams::Task {
  Url url;
  HttpRequest request;
  HttpStreamLimits limits;
  std::shared_ptr<HttpReceiver> receiver;  // null once it has had its last word
  MonoClock::time_point deadline;
  std::weak_ptr<Line> line;
};

namespace {

using Task = HttpStreams::Task;

class Line {
 public:
  virtual ~Line() = default;
  virtual void carry(std::shared_ptr<Task> task) = 0;
  /// Kept alive by the server, as far as we can see.
  virtual bool usable() = 0;
  virtual void cut() = 0;

  std::string authority;
  bool tls = false;
  MonoClock::time_point idle_since{};
};

}  // namespace

struct HttpStreams::Impl : std::enable_shared_from_this<HttpStreams::Impl> {
  Impl(runtime::Loop& l, std::shared_ptr<TlsClient> t) : loop(l), tls(std::move(t)) {}

  void run(const std::shared_ptr<Task>& task);
  void run_fresh(const std::shared_ptr<Task>& task);
  void keep(std::shared_ptr<Line> line);
  void forget(const Line& line) {
    busy.remove_if([&](const auto& other) {
      const auto alive = other.lock();
      return !alive || alive.get() == &line;
    });
  }
  void close();
  std::shared_ptr<Line> take_idle(const Task& task);

  runtime::Loop& loop;
  const std::shared_ptr<TlsClient> tls;
  std::list<std::weak_ptr<Line>> busy;    // their operations keep them alive
  std::list<std::shared_ptr<Line>> idle;  // newest first
  bool closed = false;
};

namespace {

template <class Stream>
class LineOf final : public Line, public std::enable_shared_from_this<LineOf<Stream>> {
 public:
  LineOf(HttpStreams::Impl& pool, Stream stream)
      : pool_(pool.weak_from_this()),
        tls_(pool.tls),
        stream_(std::move(stream)),
        resolver_(pool.loop.context()),
        timer_(pool.loop) {}

  void carry(std::shared_ptr<Task> task) override {
    task_ = std::move(task);
    task_->line = this->weak_from_this();
    answered_ = false;
    used_before_ = connected_;
    if (connected_) return send();
    phase(task_->limits.connect);
    error_code not_numeric;
    const auto address = asio::ip::make_address(task_->url.host, not_numeric);
    if (!not_numeric) return connect({{address, task_->url.port}});
    resolver_.async_resolve(task_->url.host, std::to_string(task_->url.port),
                            guard([this](const error_code& ec, const auto& found) {
                              if (ec) return fail("look up", ec, Errc::unavailable);
                              std::vector<tcp::endpoint> endpoints;
                              for (const auto& entry : found) endpoints.push_back(entry.endpoint());
                              connect(std::move(endpoints));
                            }));
  }

  bool usable() override {
    // Whatever can be read from an idle connection is an end or a nuisance.
    char byte = 0;
    const auto got = ::recv(lowest().socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && errno == EAGAIN;
  }

  void cut() override {
    task_ = nullptr;
    timer_.cancel();
    resolver_.cancel();
    lowest().close();
    if (const auto pool = pool_.lock()) pool->forget(*this);
  }

 private:
  TcpStream& lowest() { return beast::get_lowest_layer(stream_); }

  /// Runs `then` only if the same task still goes on; keeps the line alive meanwhile.
  template <class F>
  auto guard(F then) {
    return [self = this->shared_from_this(), task = task_, then = std::move(then)](
               const error_code& ec, const auto&... rest) mutable {
      if (self->task_ == task && task->receiver) then(ec, rest...);
    };
  }

  void phase(milliseconds limit) {
    const auto now = MonoClock::now();
    const bool last = now + limit >= task_->deadline;
    timer_.at(last ? task_->deadline : now + limit, [this] {
      const auto self = this->shared_from_this();
      fail("call", {}, Errc::timeout);
    });
  }

  void connect(std::vector<tcp::endpoint> endpoints) {
    endpoints_ = std::move(endpoints);
    lowest().async_connect(endpoints_, guard([this](const error_code& ec, const auto&...) {
                             if (ec) return fail("connect to", ec, Errc::unavailable);
                             error_code ignored;
                             lowest().socket().set_option(tcp::no_delay(true), ignored);
                             secure();
                           }));
  }

  void secure() {
    if constexpr (std::is_same_v<Stream, SecureStream>) {
      const bool verify = tls_->impl().verify;
      if (auto ready = expect_host(stream_.native_handle(), task_->url.host, verify); !ready)
        return fail_with(std::move(ready).error());
      stream_.async_handshake(
          asio::ssl::stream_base::client, guard([this, verify](const error_code& ec) {
            if (!ec) return connection_ready();
            const bool bad = verify && SSL_get_verify_result(stream_.native_handle()) != X509_V_OK;
            fail("TLS handshake with", ec, bad ? Errc::permission : Errc::unavailable);
          }));
    } else {
      connection_ready();
    }
  }

  void connection_ready() {
    connected_ = true;
    send();
  }

  void send() {
    head_ = request_head(task_->url, task_->request, true);
    phase(task_->limits.head);
    const std::vector<asio::const_buffer> parts = {asio::buffer(head_),
                                                   asio::buffer(task_->request.body)};
    asio::async_write(stream_, parts, guard([this](const error_code& ec, std::size_t) {
                        // A server may answer before it has read all, and close: read in any case.
                        write_error_ = ec;
                        read_head();
                      }));
  }

  void read_head() {
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(kMaxHeaderBytes));
    parser_->body_limit(task_->limits.max_body_bytes);
    if (task_->request.method == "HEAD") parser_->skip(true);
    http::async_read_header(stream_, buffer_, *parser_,
                            guard([this](const error_code& ec, std::size_t) { on_head(ec); }));
  }

  void on_head(const error_code& ec) {
    if (ec) return fail("read the answer of", write_error_ ? write_error_ : ec, code_of(ec));
    answered_ = true;
    if (parser_->get().result_int() / 100 == 1) return read_head();
    HttpResponse head;
    head.status = static_cast<int>(parser_->get().result_int());
    head.headers = headers_of(parser_->get().base());
    const auto task = task_;
    task->receiver->on_head(head);
    if (task_ == task) go_on();
  }

  void go_on() {
    if (parser_->is_done()) return end();
    phase(task_->limits.silence);
    http::async_read_some(stream_, buffer_, *parser_,
                          guard([this](const error_code& ec, std::size_t) { on_piece(ec); }));
  }

  void on_piece(const error_code& ec) {
    const auto task = task_;
    auto& body = parser_->get().body();
    if (!body.empty()) {
      task->receiver->on_body(body);
      body.clear();
    }
    if (task_ != task) return;  // the receiver has cancelled
    if (ec) return fail("read the answer of", ec, code_of(ec));
    go_on();
  }

  void end() {
    timer_.cancel();
    const auto task = std::exchange(task_, nullptr);
    const auto receiver = std::exchange(task->receiver, nullptr);
    const auto pool = pool_.lock();
    const bool clean = parser_->keep_alive() && !write_error_ && buffer_.size() == 0;
    if (clean && pool && task->limits.repeatable) {
      pool->keep(this->shared_from_this());
    } else {
      cut();
    }
    receiver->on_end();
  }

  Errc code_of(const error_code& ec) const {
    if (ec == http::error::body_limit || ec == http::error::header_limit) return Errc::limit;
    const bool cut = ec == http::error::end_of_stream || ec == http::error::partial_message ||
                     ec.category() != error_code(http::error::bad_method).category();
    return cut ? Errc::closed : Errc::protocol;
  }

  void fail(const char* what, const error_code& ec, Errc code) {
    const std::string why = code == Errc::timeout ? "no answer in time"
                            : code == Errc::limit ? "the answer is too large"
                                                  : ec.message();
    fail_with({code, std::string("cannot ") + what + " " + task_->url.authority() + ": " + why});
  }

  void fail_with(const Error& error) {
    const auto self = this->shared_from_this();
    const auto task = std::exchange(task_, nullptr);
    const bool stale = used_before_ && !answered_ && error.code == Errc::closed;
    cut();
    const auto pool = pool_.lock();
    if (stale && pool) return pool->run_fresh(task);
    const auto receiver = std::exchange(task->receiver, nullptr);
    if (receiver) receiver->on_error(error);
  }

  const std::weak_ptr<HttpStreams::Impl> pool_;
  const std::shared_ptr<TlsClient> tls_;
  Stream stream_;
  Resolver resolver_;
  runtime::Timer timer_;
  std::shared_ptr<Task> task_;
  std::vector<tcp::endpoint> endpoints_;
  std::string head_;
  beast::flat_buffer buffer_;
  std::optional<ResponseParser> parser_;
  error_code write_error_;
  bool connected_ = false;
  bool used_before_ = false;
  bool answered_ = false;
};

}  // namespace

std::shared_ptr<Line> HttpStreams::Impl::take_idle(const Task& task) {
  const auto oldest = MonoClock::now() - kMaxIdleTime;
  std::shared_ptr<Line> found;
  idle.remove_if([&](const auto& line) {
    if (line->idle_since < oldest || !line->usable()) {
      line->cut();
      return true;
    }
    const bool fits =
        !found && line->tls == task.url.tls() && line->authority == task.url.authority();
    if (fits) found = line;
    return fits;
  });
  return found;
}

void HttpStreams::Impl::run(const std::shared_ptr<Task>& task) {
  if (closed || !task->receiver) return;
  if (!task->limits.repeatable) return run_fresh(task);
  const auto line = take_idle(*task);
  if (!line) return run_fresh(task);
  busy.push_back(line);
  line->carry(task);
}

void HttpStreams::Impl::run_fresh(const std::shared_ptr<Task>& task) {
  if (closed || !task->receiver) return;
  std::shared_ptr<Line> line;
  if (task->url.tls()) {
    line = std::make_shared<LineOf<SecureStream>>(
        *this, SecureStream(TcpStream(loop.context()), tls->impl().context));
  } else {
    line = std::make_shared<LineOf<PlainStream>>(*this, PlainStream(loop.context()));
  }
  line->authority = task->url.authority();
  line->tls = task->url.tls();
  busy.push_back(line);
  line->carry(task);
}

void HttpStreams::Impl::keep(std::shared_ptr<Line> line) {
  forget(*line);
  line->idle_since = MonoClock::now();
  idle.push_front(std::move(line));
  if (idle.size() <= kMaxIdle) return;
  const auto oldest = idle.back();
  idle.pop_back();
  oldest->cut();
}

void HttpStreams::Impl::close() {
  closed = true;
  for (const auto& line : std::exchange(idle, {})) line->cut();
  for (const auto& line : std::exchange(busy, {})) {
    if (const auto alive = line.lock()) alive->cut();
  }
}

HttpStreams::HttpStreams(runtime::Loop& loop, std::shared_ptr<TlsClient> tls)
    : loop_(loop), impl_(std::make_shared<Impl>(loop, std::move(tls))) {}

HttpStreams::~HttpStreams() {
  loop_.post([impl = std::move(impl_)] { impl->close(); });
}

HttpStreams::Handle HttpStreams::start(Url url, HttpRequest request, const HttpStreamLimits& limits,
                                       std::shared_ptr<HttpReceiver> receiver) {
  auto task = std::make_shared<Task>();
  task->url = std::move(url);
  task->request = std::move(request);
  task->limits = limits;
  task->receiver = std::move(receiver);
  task->deadline = MonoClock::now() + limits.total;
  loop_.post([impl = impl_, task] {
    const auto& target = task->request.target;
    if (is_valid_request_line(task->request.method, target.empty() ? task->url.target() : target))
      return impl->run(task);
    if (const auto taker = std::exchange(task->receiver, nullptr))
      taker->on_error({Errc::invalid_argument, "the method or target of the request is not valid"});
  });
  return Handle([&loop = loop_, task = std::weak_ptr(task)] {
    loop.post([task] {
      const auto going = task.lock();
      if (!going) return;
      going->receiver = nullptr;
      if (const auto line = going->line.lock()) line->cut();
    });
  });
}

}  // namespace call::net
