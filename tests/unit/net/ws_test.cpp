#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <thread>
#include <vector>

#include "core/net/http_client.hpp"
#include "core/net/ws_client.hpp"
#include "core/net/ws_server.hpp"
#include "core/runtime/bounded_queue.hpp"
#include "core/runtime/loop.hpp"
#include "raw_socket.hpp"

using namespace call;
using namespace call::net;
using namespace call::net::test;
using namespace std::chrono_literals;

namespace {

// What happened to a handler, as text in order: "open", "text hello", "binary \1", "close ...".
using Events = runtime::BoundedQueue<std::string>;

std::string describe(const WsClose& close) {
  constexpr const char* kBy[] = {"peer", "local", "failure"};
  return std::string("close ") + kBy[static_cast<int>(close.by)] + " " + std::to_string(close.code);
}

class Recorder : public WsHandler {
 public:
  using OnOpen = std::function<void(WsConnection&)>;
  explicit Recorder(std::shared_ptr<Events> events, OnOpen open = {}, WsClose* why = nullptr)
      : events_(std::move(events)), open_(std::move(open)), why_(why) {}

  void on_open(WsConnection& connection) override {
    events_->try_push("open");
    if (open_) open_(connection);
  }
  void on_text(std::string_view message) override {
    events_->try_push("text " + std::string(message));
  }
  void on_binary(std::string_view message) override {
    events_->try_push("binary " + std::string(message));
  }
  void on_close(const WsClose& close) override {
    if (why_ != nullptr) *why_ = close;
    events_->try_push(describe(close));
  }

 private:
  const std::shared_ptr<Events> events_;
  const OnOpen open_;
  WsClose* const why_;
};

// Sends everything back; "bye" closes.
class Echo : public WsHandler {
 public:
  explicit Echo(std::shared_ptr<Events> events) : events_(std::move(events)) {}
  void on_open(WsConnection& connection) override { connection_ = &connection; }
  void on_text(std::string_view message) override {
    if (message == "bye") return connection_->close(4001, "as asked");
    connection_->send_text(message);
  }
  void on_binary(std::string_view message) override { connection_->send_binary(message); }
  void on_close(const WsClose& close) override { events_->try_push(describe(close)); }

 private:
  const std::shared_ptr<Events> events_;
  WsConnection* connection_ = nullptr;
};

std::shared_ptr<Events> make_events() {
  return std::make_shared<Events>(10'000);
}

std::string next(const std::shared_ptr<Events>& events) {
  auto event = events->pop(Deadline::after(10s));
  return event ? *event : "nothing happened";
}

struct Setup {
  runtime::Loop server_loop{"ws-server"};
  runtime::Loop second_loop{"ws-server-2"};
  runtime::Loop client_loop{"ws-client"};
  std::shared_ptr<Events> server_events = make_events();
  std::shared_ptr<Events> events = make_events();
  std::unique_ptr<WsServer> server;

  explicit Setup(WsServerOptions options = {}, WsServerHooks hooks = {}) {
    if (!hooks.upgrade) {
      hooks.upgrade = [this](const HttpRequest&) { return std::make_unique<Echo>(server_events); };
    }
    auto started =
        WsServer::start(std::move(options), std::move(hooks), {&server_loop, &second_loop});
    REQUIRE(started);
    server = std::move(*started);
  }
  ~Setup() { server->stop(Deadline::after(10s)); }

  Url url(std::string_view path = "/ws") const {
    return *parse_url("ws://127.0.0.1:" + std::to_string(server->port()) + std::string(path));
  }
  WsHandle connect(Recorder::OnOpen open = {}, const WsClientOptions& options = {}) {
    return ws_connect(client_loop, url(), {}, std::make_unique<Recorder>(events, std::move(open)),
                      options);
  }
};

std::string upgrade_request(std::string_view more = "") {
  return "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         std::string(more) + "\r\n";
}

}  // namespace

TEST_CASE("net.ws: text and binary messages come back as they went") {
  Setup setup;
  const std::string bytes("\x00\xff\x80", 3);
  const std::string large(60'000, 'x');
  setup.connect([&](WsConnection& connection) {
    CHECK(connection.send_text("\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d") == Send::ok);
    CHECK(connection.send_binary(bytes) == Send::ok);
    CHECK(connection.send_text("") == Send::ok);
    CHECK(connection.send_text(large) == Send::ok);
  });
  CHECK(next(setup.events) == "open");
  CHECK(next(setup.events) == "text \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d");
  CHECK(next(setup.events) == "binary " + bytes);
  CHECK(next(setup.events) == "text ");
  CHECK(next(setup.events) == "text " + large);
}

TEST_CASE("net.ws: the server answers the handshake of RFC 6455 and chooses a subprotocol") {
  const Setup setup;
  const auto socket = RawSocket::connect(setup.server->port());
  socket.send(upgrade_request("Sec-WebSocket-Protocol: other, audio.twilio.com\r\n"));
  const std::string answer = socket.read_until("\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 101 "));
  CHECK(answer.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n") != answer.npos);
  CHECK(answer.find("Sec-WebSocket-Protocol: audio.twilio.com\r\n") != answer.npos);
  const auto plain = RawSocket::connect(setup.server->port());
  plain.send(upgrade_request());
  CHECK(plain.read_until("\r\n\r\n").find("Sec-WebSocket-Protocol") == std::string::npos);
}

TEST_CASE("net.ws: the upgrade hook sees the request and may refuse it") {
  HttpRequest seen;
  WsServerHooks hooks;
  hooks.upgrade = [&](const HttpRequest& request) -> WsUpgrade {
    seen = request;
    return text_response(403, "no\n");
  };
  Setup setup({}, hooks);
  WsClose why;
  ws_connect(setup.client_loop, setup.url("/ws/?a=1"), {{"X-Twilio-Signature", "sig"}},
             std::make_unique<Recorder>(setup.events, Recorder::OnOpen(), &why));
  CHECK(next(setup.events) == "close failure 1006");
  CHECK(why.http_status == 403);
  CHECK(seen.target == "/ws/?a=1");
  CHECK(seen.headers.get("x-twilio-signature") == "sig");
  CHECK(seen.peer.address == "127.0.0.1");
  CHECK(setup.server->connections() == 0);
}

TEST_CASE("net.ws: plain HTTP is answered on the same port") {
  WsServerHooks hooks;
  hooks.upgrade = [](const HttpRequest&) { return text_response(403, ""); };
  hooks.http = [](const HttpRequest& request) { return text_response(200, request.target); };
  const Setup setup({}, hooks);
  const auto url =
      parse_url("http://127.0.0.1:" + std::to_string(setup.server->port()) + "/healthz");
  CHECK(http_call(*url, {}, Deadline::after(10s)).response->body == "/healthz");
  HttpRequest head;
  head.method = "HEAD";
  const auto answer = http_call(*url, head, Deadline::after(10s));
  CHECK(answer.response->headers.get("Content-Length") == "8");
  CHECK(answer.response->body.empty());
}

TEST_CASE("net.ws: a close by the server reaches the client with code and reason") {
  Setup setup;
  WsClose why;
  ws_connect(
      setup.client_loop, setup.url(), {},
      std::make_unique<Recorder>(
          setup.events, [](WsConnection& connection) { connection.send_text("bye"); }, &why));
  CHECK(next(setup.events) == "open");
  CHECK(next(setup.events) == "close peer 4001");
  CHECK(why.reason == "as asked");
  CHECK(next(setup.server_events) == "close local 4001");
}

TEST_CASE("net.ws: close sends what is queued first and then takes nothing more") {
  Setup setup;
  setup.connect([](WsConnection& connection) {
    for (int i = 0; i < 100; ++i) connection.send_text("x");
    connection.close(1000, "done");
    CHECK(connection.send_text("late") == Send::closed);
    connection.close(1011, "a second one changes nothing");
  });
  CHECK(next(setup.events) == "open");
  CHECK(next(setup.events) == "close local 1000");
  CHECK(next(setup.server_events) == "close peer 1000");
}

TEST_CASE("net.ws: a close never waits for a peer that is silent") {
  WsServerHooks hooks;
  auto events = make_events();
  hooks.upgrade = [&](const HttpRequest&) -> WsUpgrade {
    return std::make_unique<Recorder>(events,
                                      [](WsConnection& connection) { connection.close(1000, ""); });
  };
  WsServerOptions options;
  options.limits.close_timeout = 50ms;
  const Setup setup(options, hooks);
  const auto socket = RawSocket::connect(setup.server->port());
  socket.send(upgrade_request());
  CHECK(next(events) == "open");
  CHECK(next(events) == "close local 1000");
  CHECK(setup.server->wait_idle(Deadline::after(10s)));
  CHECK(socket.read_all().ends_with("\x88\x02\x03\xe8"));  // the frame, then the end of the socket
}

TEST_CASE("net.ws: a message above the limit closes with 1009") {
  WsServerOptions options;
  options.limits.max_message_bytes = 1000;
  Setup setup(options);
  setup.connect([](WsConnection& connection) {
    connection.send_text(std::string(1000, 'x'));
    connection.send_text(std::string(1001, 'x'));
  });
  CHECK(next(setup.events) == "open");
  CHECK(next(setup.events) == "text " + std::string(1000, 'x'));
  CHECK(next(setup.events) == "close peer 1009");
  CHECK(next(setup.server_events) == "close failure 1009");
}

TEST_CASE("net.ws: a peer that does not read fills its bounded queue and no more") {
  WsServerHooks hooks;
  auto events = make_events();
  std::promise<std::size_t> queued;
  hooks.upgrade = [&](const HttpRequest&) -> WsUpgrade {
    return std::make_unique<Recorder>(events, [&](WsConnection& connection) {
      const std::string piece(10'000, 'x');
      for (int i = 0; i < 10'000 && connection.send_text(piece) == Send::ok; ++i) {
      }
      CHECK(connection.send_text(piece) == Send::full);
      CHECK(connection.queued_bytes() <= 1'000'000);
      queued.set_value(connection.queued_bytes());
      connection.close(1013, "too slow");
    });
  };
  WsServerOptions options;
  options.limits.max_queued_bytes = 1'000'000;
  options.limits.close_timeout = 50ms;
  const Setup setup(options, hooks);
  const auto socket = RawSocket::connect(setup.server->port());
  socket.send(upgrade_request());
  CHECK(queued.get_future().get() > 900'000);
  CHECK(next(events) == "open");
  CHECK(next(events) == "close local 1013");
}

TEST_CASE("net.ws: a client that vanishes is noticed") {
  WsServerOptions options;
  options.limits.idle_timeout = 100ms;
  const Setup setup(options);
  {
    const auto leaves = RawSocket::connect(setup.server->port());
    leaves.send(upgrade_request());
    leaves.read_until("\r\n\r\n");
  }
  CHECK(next(setup.server_events) == "close failure 1006");
  const auto silent = RawSocket::connect(setup.server->port());
  silent.send(upgrade_request());
  CHECK(silent.read_until("\x89").find('\x89') != std::string::npos);  // pinged first
  CHECK(next(setup.server_events) == "close failure 1006");
}

TEST_CASE("net.ws: pings keep a quiet connection alive") {
  WsServerOptions options;
  options.limits.idle_timeout = 1500ms;  // a busy machine answers no ping within a moment
  Setup setup(options);
  const auto handle = setup.connect();
  CHECK(next(setup.events) == "open");
  const auto quiet = setup.events->pop(Deadline::after(3500ms));
  REQUIRE_FALSE(quiet);
  CHECK(quiet.error().code == Errc::timeout);
  CHECK(handle.post([](WsConnection& connection) { connection.send_text("still here"); }));
  CHECK(next(setup.events) == "text still here");
}

TEST_CASE("net.ws: breaking the protocol ends the connection") {
  const Setup setup;
  const auto unmasked = RawSocket::connect(setup.server->port());
  unmasked.send(upgrade_request());
  unmasked.read_until("\r\n\r\n");
  unmasked.send("\x81\x02hi");
  CHECK(unmasked.read_all().starts_with("\x88"));
  CHECK(next(setup.server_events) == "close failure 1002");
}

TEST_CASE("net.ws: fragments and frames in single bytes make one message") {
  const Setup setup;
  const auto socket = RawSocket::connect(setup.server->port());
  socket.send(upgrade_request());
  socket.read_until("\r\n\r\n");
  const std::string zero_mask(4, '\0');
  const std::string frames =
      "\x01\x82" + zero_mask + "he" + "\x89\x80" + zero_mask + "\x80\x83" + zero_mask + "llo";
  for (const char c : frames) socket.send(std::string_view(&c, 1));
  CHECK(socket.read_until("hello") == std::string("\x8a\x00\x81\x05hello", 9));
}

TEST_CASE("net.ws: a refused connection and an unknown host are told to the handler") {
  runtime::Loop loop("ws-client");
  auto events = make_events();
  WsClose why;
  const auto nobody = parse_url("ws://127.0.0.1:" + std::to_string(closed_port()) + "/");
  ws_connect(loop, *nobody, {}, std::make_unique<Recorder>(events, Recorder::OnOpen(), &why));
  CHECK(next(events) == "close failure 1006");
  CHECK(why.reason.find("refused") != std::string::npos);
  ws_connect(loop, *parse_url("ws://no-such-host.invalid/"), {},
             std::make_unique<Recorder>(events));
  CHECK(next(events) == "close failure 1006");
}

TEST_CASE("net.ws: a server that never answers the upgrade is given up") {
  runtime::Loop loop("ws-client");
  auto events = make_events();
  RawServer server([](RawSocket& socket) { socket.read_all(); });
  WsClientOptions options;
  options.limits.handshake_timeout = 50ms;
  ws_connect(loop, *parse_url("ws://127.0.0.1:" + std::to_string(server.port())), {},
             std::make_unique<Recorder>(events), options);
  CHECK(next(events) == "close failure 1006");
}

TEST_CASE("net.ws: an attempt to connect can be given up through its handle") {
  runtime::Loop loop("ws-client");
  auto events = make_events();
  std::promise<void> asked;
  RawServer server([&](RawSocket& socket) {
    socket.read_until("\r\n\r\n");
    asked.set_value();
    socket.read_all();
  });
  const auto handle =
      ws_connect(loop, *parse_url("ws://127.0.0.1:" + std::to_string(server.port())), {},
                 std::make_unique<Recorder>(events));
  asked.get_future().wait();
  CHECK(handle.post([](WsConnection& connection) {
    CHECK(connection.send_text("too early") == Send::closed);
    connection.close(1000, "changed our mind");
  }));
  CHECK(next(events) == "close local 1000");
}

TEST_CASE("net.ws: a handle outlives its connection") {
  Setup setup;
  const auto handle = setup.connect();
  CHECK(next(setup.events) == "open");
  CHECK(handle.post([](WsConnection& connection) { connection.close(1000, ""); }));
  CHECK(next(setup.events) == "close local 1000");
  CHECK_FALSE(handle.post([](WsConnection&) { FAIL("the connection is gone"); }));
  CHECK_FALSE(WsHandle().post([](WsConnection&) {}));
}

TEST_CASE("net.ws: a TLS server that is none fails the handler, not the program") {
  runtime::Loop loop("ws-client");
  auto events = make_events();
  RawServer server([](RawSocket& socket) {
    socket.read_until("\x01");
    socket.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const auto url = parse_url("wss://127.0.0.1:" + std::to_string(server.port()));
  ws_connect(loop, *url, {}, std::make_unique<Recorder>(events));
  CHECK(next(events) == "close failure 1006");
  WsClientOptions options;
  options.tls.ca_file = "/no/such/file";
  WsClose why;
  ws_connect(loop, *url, {}, std::make_unique<Recorder>(events, Recorder::OnOpen(), &why), options);
  CHECK(next(events) == "close failure 1006");
  CHECK(why.reason.find("/no/such/file") != std::string::npos);
}

TEST_CASE("net.ws: a hundred connections talk at once, on both loops") {
  Setup setup;
  constexpr int kConnections = 100;
  constexpr int kMessages = 20;
  for (int i = 0; i < kConnections; ++i) {
    setup.connect([](WsConnection& connection) {
      for (int n = 0; n < kMessages; ++n) connection.send_text("hello");
    });
  }
  int opened = 0;
  int echoed = 0;
  while (opened < kConnections || echoed < kConnections * kMessages) {
    const std::string event = next(setup.events);
    opened += event == "open";
    echoed += event == "text hello";
    if (event != "open" && event != "text hello") FAIL(event);
  }
  CHECK(setup.server->connections() == kConnections);
  setup.server->stop(Deadline::after(10s));
  CHECK(setup.server->connections() == 0);
  for (int i = 0; i < kConnections; ++i) {
    REQUIRE(next(setup.events) == "close peer 1001");
    REQUIRE(next(setup.server_events) == "close local 1001");
  }
}

TEST_CASE("net.ws: draining refuses the new and keeps the open") {
  Setup setup;
  const auto handle = setup.connect();
  CHECK(next(setup.events) == "open");
  setup.server->refuse_upgrades();
  WsClose why;
  ws_connect(setup.client_loop, setup.url(), {},
             std::make_unique<Recorder>(setup.events, Recorder::OnOpen(), &why));
  CHECK(next(setup.events) == "close failure 1006");
  CHECK(why.http_status == 503);
  CHECK_FALSE(setup.server->wait_idle(Deadline::after(10ms)));
  handle.post([](WsConnection& connection) { connection.send_text("bye"); });
  CHECK(setup.server->wait_idle(Deadline::after(10s)));
}

TEST_CASE("net.ws: sockets above the limit are refused with 503") {
  WsServerOptions options;
  options.max_connections = 1;
  const Setup setup(options);
  const auto first = RawSocket::connect(setup.server->port());
  first.send(upgrade_request());
  first.read_until("\r\n\r\n");
  CHECK(RawSocket::connect(setup.server->port()).read_all().starts_with("HTTP/1.1 503 "));
}
