#include "core/net/http_server.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/net/http_client.hpp"
#include "raw_socket.hpp"

using namespace call;
using namespace call::net;
using namespace call::net::test;
using namespace std::chrono_literals;

namespace {

HttpResponse echo(const HttpRequest& request) {
  HttpResponse response =
      text_response(200, request.method + " " + request.target + "\n" + request.body);
  response.headers.add("X-Peer", request.peer.address);
  return response;
}

std::unique_ptr<HttpServer> start(HttpServerOptions options = {}, HttpHandler handler = echo) {
  auto server = HttpServer::start(std::move(options), std::move(handler));
  REQUIRE(server);
  return std::move(*server);
}

HttpCallResult call_server(std::uint16_t port, HttpRequest request = {}) {
  const auto url = parse_url("http://127.0.0.1:" + std::to_string(port) + "/p?q=1");
  return http_call(*url, request, Deadline::after(10s));
}

std::string raw(std::uint16_t port, std::string_view bytes) {
  const auto socket = RawSocket::connect(port);
  socket.send(bytes);
  return socket.read_all();
}

}  // namespace

TEST_CASE("net.http_server: a request reaches the handler and its answer the client") {
  const auto server = start();
  HttpRequest request;
  request.method = "POST";
  request.body = std::string(100'000, 'x');
  const auto result = call_server(server->port(), request);
  REQUIRE(result.response);
  CHECK(result.response->status == 200);
  CHECK(result.response->body == "POST /p?q=1\n" + request.body);
  CHECK(result.response->headers.get("X-Peer") == "127.0.0.1");
  CHECK(result.response->headers.get("Date").ends_with("GMT"));
}

TEST_CASE("net.http_server: one connection serves several requests, pipelined or not") {
  const auto server = start();
  const auto socket = RawSocket::connect(server->port());
  socket.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(socket.read_until("GET /1\n").find("Connection: close") == std::string::npos);
  socket.send(
      "GET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string rest = socket.read_all();
  CHECK(rest.find("GET /2\n") < rest.find("GET /3\n"));
  CHECK(rest.find("Connection: close\r\n") != rest.npos);
}

TEST_CASE("net.http_server: HEAD has the header of GET and no body") {
  const auto server = start();
  const std::string answer =
      raw(server->port(), "HEAD /h HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(answer.find("Content-Length: 7\r\n") != answer.npos);
  CHECK(answer.ends_with("\r\n\r\n"));
}

TEST_CASE("net.http_server: 100-continue is answered before the body is sent") {
  const auto server = start();
  const auto socket = RawSocket::connect(server->port());
  socket.send("POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  CHECK(socket.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("abc");
  CHECK(socket.read_until("abc").starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("net.http_server: a body above the limit is refused with 413, announced or not") {
  HttpServerOptions options;
  options.max_body_bytes = 1000;
  const auto server = start(options);
  HttpRequest request;
  request.method = "POST";
  request.body = std::string(1001, 'x');
  CHECK(call_server(server->port(), request).response->status == 413);
  request.body.pop_back();
  CHECK(call_server(server->port(), request).response->status == 200);
  std::string chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n";
  CHECK(raw(server->port(), chunked + std::string(2000, 'x') + "\r\n0\r\n\r\n")
            .starts_with("HTTP/1.1 413 "));
}

TEST_CASE("net.http_server: a client that is still sending gets to read its 413") {
  const auto server = start();
  HttpRequest request;
  request.method = "POST";
  request.body = std::string(8U << 20, 'x');
  const auto result = call_server(server->port(), request);
  REQUIRE(result.response);
  CHECK(result.response->status == 413);
}

TEST_CASE("net.http_server: a header above the limit is refused with 431") {
  const auto server = start();
  HttpRequest request;
  request.headers.add("X-Long", std::string(17'000, 'x'));
  CHECK(call_server(server->port(), request).response->status == 431);
}

TEST_CASE("net.http_server: a request that never ends is refused with 408") {
  HttpServerOptions options;
  options.read_timeout = 30ms;
  const auto server = start(options);
  CHECK(raw(server->port(), "GET / HTTP/1.1\r\nHo").starts_with("HTTP/1.1 408 "));
  CHECK(raw(server->port(), "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc")
            .starts_with("HTTP/1.1 408 "));
}

TEST_CASE("net.http_server: an idle connection is closed without a word") {
  HttpServerOptions options;
  options.idle_timeout = 30ms;
  const auto server = start(options);
  CHECK(raw(server->port(), "").empty());
}

TEST_CASE("net.http_server: nonsense and smuggling are refused with 400") {
  const auto server = start();
  for (const auto* text :
       {"\x16\x03\x01\x02\x01\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/3.0\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"}) {
    CAPTURE(text);
    const std::string answer = raw(server->port(), text);
    CHECK(answer.starts_with("HTTP/1.1 400 "));
    CHECK(answer.find("evil") == answer.npos);
  }
}

TEST_CASE("net.http_server: a handler that throws is a 500 and the server lives on") {
  std::atomic<bool> broken{true};
  const auto server = start({}, [&](const HttpRequest& request) {
    if (broken) throw std::runtime_error("a defect of the test");
    return echo(request);
  });
  CHECK(call_server(server->port()).response->status == 500);
  broken = false;
  CHECK(call_server(server->port()).response->status == 200);
}

TEST_CASE("net.http_server: when all threads are busy and the queue is full the answer is 503") {
  HttpServerOptions options;
  options.threads = 1;
  options.queue_capacity = 1;
  std::promise<void> gate;
  std::atomic<int> entered{0};
  const auto server = start(options, [&, open = gate.get_future().share()](const HttpRequest&) {
    ++entered;
    open.wait();
    return text_response(200, "done");
  });
  auto running = std::async(std::launch::async, [&] { return call_server(server->port()); });
  while (entered == 0) std::this_thread::yield();
  std::vector<std::future<HttpCallResult>> more;
  for (int i = 0; i < 4; ++i) {
    more.push_back(std::async(std::launch::async, [&] { return call_server(server->port()); }));
  }
  // Three of the four find the queue full and are answered while the handler still blocks.
  std::vector<int> statuses;
  while (statuses.size() < 3) {
    for (auto& one : more) {
      if (!one.valid() || one.wait_for(1ms) != std::future_status::ready) continue;
      const auto result = one.get();
      statuses.push_back(result.response->status);
      CHECK(result.response->headers.get("Retry-After") == "1");
    }
  }
  CHECK(statuses == std::vector<int>{503, 503, 503});
  gate.set_value();
  CHECK(running.get().response->status == 200);
  for (auto& one : more) {
    if (one.valid()) CHECK(one.get().response->status == 200);
  }
}

TEST_CASE("net.http_server: connections above the limit are refused with 503") {
  HttpServerOptions options;
  options.max_connections = 1;
  const auto server = start(options);
  const auto first = RawSocket::connect(server->port());
  first.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  first.read_until("GET /1\n");
  CHECK(raw(server->port(), "").starts_with("HTTP/1.1 503 "));
}

TEST_CASE("net.http_server: stop lets a running request finish") {
  std::promise<void> entered;
  std::promise<void> gate;
  const auto server = start({}, [&](const HttpRequest&) {
    entered.set_value();
    gate.get_future().wait();
    return text_response(200, "done");
  });
  const auto idle = RawSocket::connect(server->port());
  auto running = std::async(std::launch::async, [&] { return call_server(server->port()); });
  entered.get_future().wait();
  auto stopping = std::async(std::launch::async, [&] { server->stop(Deadline::after(10s)); });
  CHECK(idle.read_all().empty());  // closed by the stop, which is under way now
  gate.set_value();
  CHECK(running.get().response->body == "done");
  stopping.get();
  CHECK(call_server(server->port()).sent == Sent::no);
}

TEST_CASE("net.http_server: stop cuts what is not done by the deadline") {
  std::promise<void> entered;
  std::promise<void> gate;
  const auto server = start({}, [&](const HttpRequest&) {
    entered.set_value();
    gate.get_future().wait();
    return text_response(200, "too late");
  });
  auto running = std::async(std::launch::async, [&] { return call_server(server->port()); });
  entered.get_future().wait();
  auto stopping = std::async(std::launch::async, [&] { server->stop(Deadline::after(10ms)); });
  const auto result = running.get();
  CHECK(result.response.error().code == Errc::closed);
  CHECK(result.sent == Sent::maybe);
  gate.set_value();
  stopping.get();
}

TEST_CASE("net.http_server: a busy port is a conflict that names the address") {
  const auto first = start();
  HttpServerOptions options;
  options.listen.port = first->port();
  const auto second = HttpServer::start(options, echo);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::conflict);
  CHECK(second.error().context.find("127.0.0.1:" + std::to_string(first->port())) !=
        std::string::npos);
}

TEST_CASE("net.http_server: a foreign address and an unknown name are the caller's mistake") {
  for (const auto* host : {"192.0.2.1", "no-such-host.invalid"}) {
    CAPTURE(host);
    HttpServerOptions options;
    options.listen.host = host;
    CHECK(HttpServer::start(options, echo).error().code == Errc::invalid_argument);
  }
}

TEST_CASE("net.http_server: many clients at once are all answered") {
  HttpServerOptions options;
  options.queue_capacity = 256;
  const auto server = start(options);
  std::vector<std::future<int>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::async(std::launch::async, [&] {
      int good = 0;
      for (int n = 0; n < 20; ++n) good += call_server(server->port()).response->status == 200;
      return good;
    }));
  }
  for (auto& client : clients) CHECK(client.get() == 20);
}

TEST_CASE("net.http_server: an answer is spoiled as its handler asks") {
  const auto server = start({}, [](const HttpRequest& request) {
    auto response = text_response(200, "0123456789");
    if (request.path() == "/close") response.spoil = {0, Spoil::End::close};
    if (request.path() == "/reset") response.spoil = {0, Spoil::End::reset};
    if (request.path() == "/half") response.spoil = {20, Spoil::End::half_close};
    return response;
  });
  const auto ask = [&](const std::string& path) {
    const auto url = parse_url("http://127.0.0.1:" + std::to_string(server->port()) + path);
    return http_call(*url, {}, Deadline::after(10s));
  };
  for (const std::string path : {"/close", "/reset", "/half"}) {
    INFO(path);
    const auto result = ask(path);
    REQUIRE_FALSE(result.response);
    CHECK(result.response.error().code == Errc::closed);
    CHECK(result.sent == Sent::maybe);
  }
  CHECK(raw(server->port(), "GET /half HTTP/1.1\r\nHost: a\r\n\r\n").size() == 20);
  CHECK(ask("/whole").response.value().body == "0123456789");
}
