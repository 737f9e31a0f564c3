#include "core/net/url.hpp"

#include <catch2/catch.hpp>

using namespace call;
using namespace call::net;

TEST_CASE("net.url: all parts of a URL are told apart") {
  const auto url = parse_url("https://us%40er:p%3Aw@Example.COM:8443/a/b%20c?x=1&y=%2F#frag");
  REQUIRE(url);
  CHECK(url->scheme == "https");
  CHECK(url->user == "us@er");
  CHECK(url->password == "p:w");
  CHECK(url->host == "example.com");
  CHECK(url->port == 8443);
  CHECK(url->path == "/a/b%20c");
  CHECK(url->query == "x=1&y=%2F");
  CHECK(url->target() == "/a/b%20c?x=1&y=%2F");
  CHECK(url->authority() == "example.com:8443");
  CHECK(url->to_string() == "https://example.com:8443/a/b%20c?x=1&y=%2F");
}

TEST_CASE("net.url: what is left out gets its default") {
  const auto plain = parse_url("http://host");
  REQUIRE(plain);
  CHECK(plain->port == 80);
  CHECK(plain->path == "/");
  CHECK(plain->authority() == "host");
  CHECK(parse_url("WSS://host/")->port == 443);
  CHECK(parse_url("ws://host?q=1")->target() == "/?q=1");
  CHECK(parse_url("http://host:/x")->port == 80);
}

TEST_CASE("net.url: IPv6 hosts come in brackets") {
  const auto url = parse_url("ws://[::1]:9000/x");
  REQUIRE(url);
  CHECK(url->host == "::1");
  CHECK(url->port == 9000);
  CHECK(url->authority() == "[::1]:9000");
  CHECK(parse_url("http://[::1]/")->authority() == "[::1]");
}

TEST_CASE("net.url: nonsense is refused") {
  for (const auto* text :
       {"", "host", "ftp://host/", "http://", "http:///path", "http://ho st/", "http://host:70000/",
        "http://host:0/", "http://host:x/", "http://[::1/", "http://[zz]/", "http://a:b:c/",
        "http://%zz@host/", "http://h\xc3\xb6st/", "http://host/\r\nX: y", "http://host\\path"}) {
    CAPTURE(text);
    const auto url = parse_url(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().code == Errc::invalid_argument);
  }
  CHECK(parse_url("http://host/" + std::string(9000, 'x')).error().code == Errc::limit);
}

TEST_CASE("net.url: HOST:PORT of a configuration") {
  CHECK(to_string(*parse_host_port("127.0.0.1:8080")) == "127.0.0.1:8080");
  CHECK(to_string(*parse_host_port("[::]:0")) == "[::]:0");
  CHECK(parse_host_port("localhost:1")->host == "localhost");
  for (const auto* text : {"", "8080", "host", ":80", "host:", "host:x", "::1:80"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_host_port(text));
  }
}

TEST_CASE("net.url: only loopback addresses are loopback") {
  for (const auto* host : {"127.0.0.1", "127.9.9.9", "::1", "localhost"}) CHECK(is_loopback(host));
  for (const auto* host : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "localhost.example.com"}) {
    CAPTURE(host);
    CHECK_FALSE(is_loopback(host));
  }
}
