// The hard cases of RFC 6455 against the real server, over a socket that does what no client would.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "core/base/ids.hpp"
#include "core/net/ws_client.hpp"
#include "core/net/ws_frame.hpp"
#include "core/net/ws_server.hpp"
#include "core/runtime/bounded_queue.hpp"
#include "core/runtime/loop.hpp"
#include "raw_socket.hpp"

using namespace call;
using namespace call::net;
using namespace call::net::test;
using namespace std::chrono_literals;

namespace {

class Echo : public WsHandler {
 public:
  void on_open(WsConnection& connection) override { connection_ = &connection; }
  void on_text(std::string_view message) override { connection_->send_text(message); }
  void on_binary(std::string_view message) override { connection_->send_binary(message); }
  void on_close(const WsClose&) override {}

 private:
  WsConnection* connection_ = nullptr;
};

constexpr std::array<unsigned char, 4> kMask = {0x37, 0xfa, 0x21, 0x3d};

std::string frame(unsigned char first, std::string_view payload) {
  std::string out;
  append_frame(out, WsOpcode::text, payload, &kMask);
  out[0] = static_cast<char>(first);
  return out;
}

std::string answer(WsOpcode opcode, std::string_view payload) {
  std::string out;
  append_frame(out, opcode, payload, nullptr);
  return out;
}

struct Server {
  explicit Server(WsServerOptions options = {}) {
    options.limits.max_message_bytes = 100'000;
    WsServerHooks hooks;
    hooks.upgrade = [](const HttpRequest&) { return std::make_unique<Echo>(); };
    auto started = WsServer::start(std::move(options), std::move(hooks), {&loop});
    REQUIRE(started);
    server = std::move(*started);
  }
  ~Server() { server->stop(Deadline::after(10s)); }

  RawSocket connect() const { return RawSocket::connect(server->port()); }
  RawSocket open() const {
    auto socket = connect();
    socket.send(upgrade());
    CHECK(socket.read_until("\r\n\r\n").starts_with("HTTP/1.1 101 "));
    return socket;
  }
  static std::string upgrade(std::string_view version = "13",
                             std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==",
                             std::string_view more = "") {
    return "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nConnection: keep-alive, "
           "Upgrade\r\n"
           "Sec-WebSocket-Version: " +
           std::string(version) + "\r\nSec-WebSocket-Key: " + std::string(key) + "\r\n" +
           std::string(more) + "\r\n";
  }
  /// What the server says to these bytes until it closes.
  std::string last_words(const std::string& bytes) const {
    const auto socket = open();
    socket.send(bytes);
    return socket.read_all();
  }

  runtime::Loop loop{"ws-server"};
  std::unique_ptr<WsServer> server;
};

bool closes_with(const std::string& said, std::uint16_t code) {
  return said.size() >= 4 && said[0] == '\x88' &&
         static_cast<unsigned char>(said[2]) == code >> 8 &&
         static_cast<unsigned char>(said[3]) == (code & 0xFF);
}

}  // namespace

TEST_CASE("net.ws_rfc: fragments with control frames between them, all in one segment") {
  const Server server;
  const auto socket = server.open();
  socket.send(frame(0x01, "frag") + frame(0x89, "1") + frame(0x00, "men") + frame(0x89, "2") +
              frame(0x8A, "unasked") + frame(0x80, "ted") + frame(0x81, "next"));
  CHECK(socket.read_until("next") == answer(WsOpcode::pong, "1") + answer(WsOpcode::pong, "2") +
                                         answer(WsOpcode::text, "fragmented") +
                                         answer(WsOpcode::text, "next"));
}

TEST_CASE("net.ws_rfc: lengths of 7, 16 and 64 bits come back whole") {
  const Server server;
  const auto socket = server.open();
  for (const std::size_t size : {125U, 126U, 65535U, 65536U, 99'998U}) {
    const std::string payload = std::string(size, 'p') + "!";
    socket.send(frame(0x82, payload));
    CHECK(socket.read_until("!") == answer(WsOpcode::binary, payload));
  }
}

TEST_CASE("net.ws_rfc: every violation is answered with its close code, then the end") {
  const Server server;
  CHECK(closes_with(server.last_words("\x81\x02hi"), 1002));
  CHECK(closes_with(server.last_words(frame(0xC1, "x")), 1002));
  CHECK(closes_with(server.last_words(frame(0x83, "x")), 1002));
  CHECK(closes_with(server.last_words(frame(0x80, "x")), 1002));
  CHECK(closes_with(server.last_words(frame(0x09, "x")), 1002));
  CHECK(closes_with(server.last_words(frame(0x89, std::string(126, 'x'))), 1002));
  CHECK(closes_with(server.last_words(frame(0x81, "\xff")), 1007));
  CHECK(closes_with(server.last_words(frame(0x01, "\xd7") + frame(0x80, "x")), 1007));
  CHECK(closes_with(server.last_words(frame(0x82, std::string(100'001, 'x'))), 1009));
  CHECK(closes_with(server.last_words(frame(0x88, "\x03\xed")), 1002));
  CHECK(closes_with(server.last_words(frame(0x88, "\x03\xe8\xff")), 1007));
}

TEST_CASE("net.ws_rfc: a close is answered in kind, also one without a code") {
  const Server server;
  CHECK(server.last_words(frame(0x88, "\x0f\xa0why")) == std::string("\x88\x02\x0f\xa0", 4));
  CHECK(server.last_words(frame(0x88, "")) == std::string("\x88\x00", 2));
  // What comes before the close is still answered, what comes behind it is not.
  CHECK(server.last_words(frame(0x81, "a") + frame(0x88, "") + frame(0x81, "b")) ==
        answer(WsOpcode::text, "a") + std::string("\x88\x00", 2));
}

TEST_CASE("net.ws_rfc: a peer that pings without reading costs bounded memory") {
  WsServerOptions options;
  options.limits.max_queued_bytes = 10'000;
  const Server server(options);
  const auto socket = server.open();
  const std::string ping = frame(0x89, std::string(125, 'x'));
  std::string many;
  for (int i = 0; i < 100; ++i) many += ping;
  for (int i = 0; i < 100; ++i) socket.send(many);
  socket.send(frame(0x88, ""));
  CHECK(server.server->connections() <= 1);  // it lives, and is not asked for a pong each
}

TEST_CASE("net.ws_rfc: faults of the upgrade are answered in HTTP") {
  const Server server;
  const auto said = [&](const std::string& request) {
    const auto socket = server.connect();
    socket.send(request);
    return socket.read_all();
  };
  const auto old = said(Server::upgrade("8"));
  CHECK(old.starts_with("HTTP/1.1 426 "));
  CHECK(old.find("Sec-WebSocket-Version: 13\r\n") != std::string::npos);
  CHECK(said(Server::upgrade("13", "c2hvcnQ=")).starts_with("HTTP/1.1 400 "));
  CHECK(said(Server::upgrade("13", "not base64 at all, really")).starts_with("HTTP/1.1 400 "));
  CHECK(said(Server::upgrade() + "\x81").starts_with("HTTP/1.1 400 "));
  CHECK(said("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")
            .starts_with("HTTP/1.1 404 "));
  CHECK(said("POST /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
             "Content-Length: 0\r\n\r\n")
            .starts_with("HTTP/1.1 404 "));
}

TEST_CASE("net.ws_rfc: an extension that the client offers is not taken") {
  const Server server;
  const auto socket = server.connect();
  socket.send(Server::upgrade(
      "13", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
  CHECK(socket.read_until("\r\n\r\n").find("Extensions") == std::string::npos);
}

TEST_CASE("net.ws_rfc: peers that never finish their request give way to those that do") {
  WsServerOptions options;
  options.max_handshakes = 4;
  const Server server(options);
  std::vector<RawSocket> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(server.connect());
    slow.back().send("GET /ws HTTP/1.1\r\nHost:");
  }
  CHECK(slow.front().read_all().empty());  // cut
  const auto honest = server.open();
  honest.send(frame(0x81, "served"));
  CHECK(honest.read_until("served").ends_with("served"));
}

TEST_CASE("net.ws_rfc: a client refuses an answer that proves nothing") {
  runtime::Loop loop("ws-client");
  auto closes = std::make_shared<runtime::BoundedQueue<std::string>>(10);
  class Watcher : public WsHandler {
   public:
    explicit Watcher(std::shared_ptr<runtime::BoundedQueue<std::string>> q)
        : queue_(std::move(q)) {}
    void on_open(WsConnection&) override { queue_->try_push("open"); }
    void on_text(std::string_view) override {}
    void on_binary(std::string_view) override {}
    void on_close(const WsClose& close) override { queue_->try_push(close.reason); }

   private:
    std::shared_ptr<runtime::BoundedQueue<std::string>> queue_;
  };
  for (const char* head : {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                           "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"}) {
    RawServer server([&](RawSocket& socket) {
      socket.read_until("\r\n\r\n");
      socket.send(head);
      socket.read_all();
    });
    ws_connect(loop, *parse_url("ws://127.0.0.1:" + std::to_string(server.port())), {},
               std::make_unique<Watcher>(closes));
    const auto why = closes->pop(Deadline::after(10s));
    REQUIRE(why);
    CHECK(*why == "the answer to the upgrade is no WebSocket's");
  }
}

TEST_CASE("net.ws_rfc: a client leaves a server that breaks the rules, with the code for it") {
  class Watcher : public WsHandler {
   public:
    explicit Watcher(std::shared_ptr<runtime::BoundedQueue<WsClose>> q) : queue_(std::move(q)) {}
    void on_open(WsConnection&) override {}
    void on_text(std::string_view) override {}
    void on_binary(std::string_view) override {}
    void on_close(const WsClose& close) override { queue_->try_push(close); }

   private:
    std::shared_ptr<runtime::BoundedQueue<WsClose>> queue_;
  };
  runtime::Loop loop("ws-client");
  const std::string fragmented_ping("\x09\x01x", 3), reserved("\xc1\x01x", 3),
      not_utf8("\x81\x01\xff", 3), half_a_code("\x88\x01\x03", 3);
  for (const auto& [bytes, code] :
       {std::pair(frame(0x81, "masked"), 1002), std::pair(fragmented_ping, 1002),
        std::pair(reserved, 1002), std::pair(half_a_code, 1002), std::pair(not_utf8, 1007),
        std::pair(answer(WsOpcode::binary, std::string(100'000, 'x')), 1009)}) {
    std::string said;
    auto closes = std::make_shared<runtime::BoundedQueue<WsClose>>(1);
    {
      RawServer server([&, bytes = bytes](RawSocket& socket) {
        const auto request = socket.read_until("\r\n\r\n");
        const auto key = request.substr(request.find("Sec-WebSocket-Key: ") + 19, 24);
        socket.send(
            "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: " +
            accept_value(key) + "\r\n\r\n" + bytes);
        said = socket.read_all();
      });
      WsClientOptions options;
      options.limits.max_message_bytes = 99'999;
      const auto url = parse_url("ws://127.0.0.1:" + std::to_string(server.port()));
      ws_connect(loop, *url, {}, std::make_unique<Watcher>(closes), options);
      const auto close = closes->pop(Deadline::after(10s));
      REQUIRE(close);
      CHECK(close->by == WsClose::By::failure);
      CHECK(close->code == code);
    }
    WsReader reader(WsRole::server, 1000);  // the client's farewell is masked
    std::span<char> in(said);
    const auto farewell = reader.next(in);
    REQUIRE(farewell);
    CHECK(farewell->code == code);
  }
}
