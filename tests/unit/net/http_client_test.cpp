#include "core/net/http_client.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "raw_socket.hpp"

using namespace call;
using namespace call::net;
using namespace call::net::test;
using namespace std::chrono_literals;

namespace {

Url url_of(std::uint16_t port, std::string_view scheme = "http") {
  return *parse_url(std::string(scheme) + "://127.0.0.1:" + std::to_string(port) + "/path?x=1");
}

HttpCallResult get(std::uint16_t port, const HttpCallOptions& options = {}) {
  return http_call(url_of(port), {}, Deadline::after(10s), options);
}

// A server that reads the request's head and then sends `answer`.
RawServer answering(std::string answer) {
  return RawServer([answer = std::move(answer)](RawSocket& socket) {
    socket.read_until("\r\n\r\n");
    socket.send(answer);
  });
}

}  // namespace

TEST_CASE("net.http_client: the request goes out as written and the answer comes back whole") {
  std::string seen;
  std::optional<HttpCallResult> result;
  {
    RawServer server([&](RawSocket& socket) {
      seen = socket.read_until("a=1");
      socket.send("HTTP/1.1 201 Created\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello");
    });
    HttpRequest request;
    request.method = "POST";
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = "a=1";
    result = http_call(url_of(server.port()), request, Deadline::after(10s));
  }
  REQUIRE(result->response);
  CHECK(result->response->status == 201);
  CHECK(result->response->headers.get("x-one") == "1");
  CHECK(result->response->body == "hello");
  CHECK(result->sent == Sent::maybe);
  CHECK(seen.starts_with("POST /path?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"));
  CHECK(seen.find("Connection: close\r\n") != seen.npos);
  CHECK(seen.find("Content-Length: 3\r\n") != seen.npos);
}

TEST_CASE("net.http_client: a refused connection proves that nothing was sent") {
  const auto result = get(closed_port());
  REQUIRE_FALSE(result.response);
  CHECK(result.response.error().code == Errc::unavailable);
  CHECK(result.response.error().context.find("refused") != std::string::npos);
  CHECK(result.sent == Sent::no);
}

TEST_CASE("net.http_client: an unknown host proves that nothing was sent") {
  const auto result =
      http_call(*parse_url("http://no-such-host.invalid/"), {}, Deadline::after(10s));
  REQUIRE_FALSE(result.response);
  CHECK(result.response.error().code == Errc::unavailable);
  CHECK(result.sent == Sent::no);
}

TEST_CASE("net.http_client: a server that reads and goes away leaves the question open") {
  RawServer server([](RawSocket& socket) { socket.read_until("\r\n\r\n"); });
  const auto result = get(server.port());
  REQUIRE_FALSE(result.response);
  CHECK(result.response.error().code == Errc::closed);
  CHECK(result.sent == Sent::maybe);
}

TEST_CASE("net.http_client: a reset leaves the question open") {
  RawServer server([](RawSocket& socket) {
    socket.read_until("\r\n\r\n");
    socket.reset();
  });
  const auto result = get(server.port());
  REQUIRE_FALSE(result.response);
  CHECK(result.response.error().code == Errc::closed);
  CHECK(result.sent == Sent::maybe);
}

TEST_CASE("net.http_client: a server that says nothing runs into the deadline") {
  RawServer server([](RawSocket& socket) { socket.read_all(); });
  const auto start = MonoClock::now();
  const auto result = http_call(url_of(server.port()), {}, Deadline::after(50ms));
  REQUIRE_FALSE(result.response);
  CHECK(result.response.error().code == Errc::timeout);
  CHECK(result.sent == Sent::maybe);
  CHECK(MonoClock::now() - start < 5s);
}

TEST_CASE("net.http_client: a passed deadline sends nothing") {
  RawServer server([](RawSocket&) {});
  const auto result = http_call(url_of(server.port()), {}, Deadline::after(-1ms));
  CHECK(result.response.error().code == Errc::timeout);
  CHECK(result.sent == Sent::no);
}

TEST_CASE("net.http_client: a stop from another thread ends the call") {
  std::stop_source stop;
  RawServer server([&](RawSocket& socket) {
    socket.read_until("\r\n\r\n");
    stop.request_stop();
    socket.read_all();
  });
  HttpCallOptions options;
  options.stop = stop.get_token();
  const auto result = get(server.port(), options);
  CHECK(result.response.error().code == Errc::cancelled);
  CHECK(result.sent == Sent::maybe);
}

TEST_CASE("net.http_client: a stop before the call sends nothing") {
  std::stop_source stop;
  stop.request_stop();
  RawServer server([](RawSocket&) {});
  HttpCallOptions options;
  options.stop = stop.get_token();
  const auto result = get(server.port(), options);
  CHECK(result.response.error().code == Errc::cancelled);
  CHECK(result.sent == Sent::no);
}

TEST_CASE("net.http_client: who no longer wants it once connected sends nothing") {
  std::string seen;
  {
    RawServer server([&](RawSocket& socket) { seen = socket.read_until("\r\n\r\n"); });
    HttpCallOptions options;
    options.still_wanted = [] { return false; };
    const auto result = get(server.port(), options);
    CHECK(result.response.error().code == Errc::cancelled);
    CHECK(result.sent == Sent::no);
  }
  CHECK(seen.empty());
}

TEST_CASE("net.http_client: a request that cannot be a request line is refused unsent") {
  HttpRequest request;
  request.target = "/x HTTP/1.1\r\nX: y";
  const auto result = http_call(url_of(closed_port()), request, Deadline::after(10s));
  CHECK(result.response.error().code == Errc::invalid_argument);
  CHECK(result.sent == Sent::no);
}

TEST_CASE("net.http_client: chunked bodies, bodies up to the end, and none are read") {
  const auto chunked = answering(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n");
  CHECK(get(chunked.port()).response->body == "abcde");
  const auto unframed = answering("HTTP/1.1 200 OK\r\n\r\nto the end");
  CHECK(get(unframed.port()).response->body == "to the end");
  const auto none = answering("HTTP/1.1 204 No Content\r\n\r\n");
  CHECK(get(none.port()).response->status == 204);
}

TEST_CASE("net.http_client: an announcement is not the answer, a redirect is not followed") {
  const auto early = answering(
      "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  CHECK(get(early.port()).response->body == "ok");
  const auto moved =
      answering("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  CHECK(get(moved.port()).response->status == 302);
}

TEST_CASE("net.http_client: an answer cut short is not a success") {
  const auto cut = answering("HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{\"sid\":");
  const auto result = get(cut.port());
  REQUIRE_FALSE(result.response);
  CHECK(result.response.error().code == Errc::closed);
}

TEST_CASE("net.http_client: nonsense is a protocol error") {
  const auto server = answering("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  CHECK(get(server.port()).response.error().code == Errc::protocol);
}

TEST_CASE("net.http_client: limits on header and body hold") {
  const auto big_header = answering("HTTP/1.1 200 OK\r\nX: " + std::string(70000, 'x') +
                                    "\r\nContent-Length: 0\r\n\r\n");
  CHECK(get(big_header.port()).response.error().code == Errc::limit);
  HttpCallOptions options;
  options.max_body_bytes = 10;
  const auto announced = answering("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890");
  CHECK(get(announced.port(), options).response.error().code == Errc::limit);
  const auto unannounced = answering("HTTP/1.1 200 OK\r\n\r\n01234567890");
  CHECK(get(unannounced.port(), options).response.error().code == Errc::limit);
}

TEST_CASE("net.http_client: a streamed body arrives piece by piece, as it is sent") {
  std::promise<void> first_seen;
  RawServer server([&](RawSocket& socket) {
    socket.read_until("\r\n\r\n");
    socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    first_seen.get_future().get();
    socket.send("3\r\ntwo\r\n0\r\n\r\n");
  });
  std::string all;
  HttpCallOptions options;
  options.on_data = [&](std::string_view piece) {
    if (all.empty()) first_seen.set_value();
    all += piece;
    return true;
  };
  const auto result = get(server.port(), options);
  REQUIRE(result.response);
  CHECK(result.response->body.empty());
  CHECK(all == "onetwo");
}

TEST_CASE("net.http_client: the receiver may end a stream, and an error's body is not streamed") {
  const auto endless = answering("HTTP/1.1 200 OK\r\n\r\ndata");
  HttpCallOptions options;
  int pieces = 0;
  options.on_data = [&](std::string_view) { return ++pieces > 1; };
  CHECK(get(endless.port(), options).response.error().code == Errc::cancelled);
  CHECK(pieces == 1);
  const auto failing = answering("HTTP/1.1 429 X\r\nContent-Length: 4\r\n\r\nslow");
  const auto result = get(failing.port(), options);
  CHECK(result.response->body == "slow");
  CHECK(pieces == 1);
}

TEST_CASE("net.http_client: a failed TLS handshake proves that nothing was sent") {
  RawServer server([](RawSocket& socket) {
    socket.read_until("\x01");  // some of the ClientHello
    socket.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const auto result = http_call(url_of(server.port(), "https"), {}, Deadline::after(10s));
  REQUIRE_FALSE(result.response);
  CHECK(result.response.error().code == Errc::unavailable);
  CHECK(result.sent == Sent::no);
}
