#include "core/net/http.hpp"

#include <catch2/catch.hpp>

#include "core/net/wire.hpp"

using namespace call::net;

TEST_CASE("net.http: header names compare without case and repeats are kept") {
  Headers headers = {{"Set-Cookie", "a"}, {"set-cookie", "b"}, {"X", "y"}};
  CHECK(headers.get("SET-COOKIE") == "a");
  CHECK(headers.find("Y") == nullptr);
  headers.set("SET-cookie", "c");
  CHECK(headers.size() == 2);
  CHECK(headers.get("Set-Cookie") == "c");
}

TEST_CASE("net.http: path and query of a target") {
  HttpRequest request;
  request.target = "/a%20b?x=1?2";
  CHECK(request.path() == "/a%20b");
  CHECK(request.query() == "x=1?2");
  request.target = "/";
  CHECK(request.path() == "/");
  CHECK(request.query().empty());
}

TEST_CASE("net.http: basic authentication in both directions") {
  const std::string header = basic_auth("AC123", "se:cret");
  CHECK(header == "Basic QUMxMjM6c2U6Y3JldA==");
  std::string user;
  std::string password;
  REQUIRE(parse_basic_auth("basic QUMxMjM6c2U6Y3JldA==", user, password));
  CHECK(user == "AC123");
  CHECK(password == "se:cret");
  CHECK_FALSE(parse_basic_auth("Bearer QUMxMjM6c2U6Y3JldA==", user, password));
  CHECK_FALSE(parse_basic_auth("Basic !!", user, password));
  CHECK_FALSE(parse_basic_auth("Basic QUJD", user, password));
}

TEST_CASE("net.http: a header field cannot break out of its line") {
  HttpResponse response = text_response(200, "x");
  response.headers.add("X-Good", "1");
  response.headers.add("X-Bad", "1\r\nSet-Cookie: evil");
  response.headers.add("X-Bad\r\nName", "1");
  response.headers.add("Content-Length", "999");
  const std::string head = response_head(response, true);
  CHECK(head.find("X-Good: 1\r\n") != head.npos);
  CHECK(head.find("evil") == head.npos);
  CHECK(head.find("X-Bad") == head.npos);
  CHECK(head.find("Content-Length: 1\r\n") != head.npos);
  CHECK(head.find("999") == head.npos);
}

TEST_CASE("net.http: 204 has no Content-Length, and a request names its host") {
  CHECK(response_head({204, {}, ""}, false).find("Content-Length") == std::string::npos);
  HttpRequest request;
  request.method = "POST";
  request.headers.add("Host", "elsewhere");
  const std::string head = request_head(*parse_url("http://example.com:81/p?q=1"), request);
  CHECK(head.starts_with("POST /p?q=1 HTTP/1.1\r\nHost: example.com:81\r\n"));
  CHECK(head.find("elsewhere") == head.npos);
  CHECK(head.find("Content-Length: 0\r\n") != head.npos);
}
