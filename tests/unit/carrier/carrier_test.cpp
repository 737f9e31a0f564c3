// The REST client against a real HTTP server (and a raw socket for what no HTTP server does).
#include "core/carrier/carrier.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <mutex>
#include <thread>

#include "core/base/guarded.hpp"
#include "core/net/form.hpp"
#include "core/net/http_server.hpp"

using namespace call;
using namespace call::carrier;

namespace {

const std::string kAccount = "AC" + std::string(32, '1');
const std::string kSid = "CA" + std::string(32, 'a');

/// Answers everything with one prepared response and keeps the requests.
class FakeApi {
 public:
  FakeApi() {
    auto started = net::HttpServer::start({}, [this](const net::HttpRequest& request) {
      requests_.with([&](auto& list) { list.push_back(request); });
      return response_.with([](const auto& response) { return response; });
    });
    REQUIRE(started.ok());
    server_ = std::move(*started);
  }
  void answer(int status, std::string body, net::Headers headers = {}) {
    response_.with([&](auto& r) { r = {status, std::move(headers), std::move(body)}; });
  }
  std::vector<net::HttpRequest> requests() const {
    return requests_.with([](const auto& list) { return list; });
  }
  net::Params form() const { return net::decode_form(requests().back().body).value(); }
  Carrier carrier(std::string path = "") const {
    Options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    options.account_sid = kAccount;
    options.auth_token = Secret("secret");
    return Carrier(options);
  }

 private:
  Guarded<std::vector<net::HttpRequest>> requests_;
  Guarded<net::HttpResponse> response_;
  std::unique_ptr<net::HttpServer> server_;
};

CreateCall simple_call() {
  CreateCall call;
  call.to = "+12025550101";
  call.from = "+12025550100";
  call.twiml = "<Response/>";
  call.status_callback = "https://calls.example.com/status";
  return call;
}

Deadline soon() {
  return Deadline::after(std::chrono::seconds(5));
}

using Kind = CreateOutcome::Kind;

/// Accepts one connection, reads what comes, answers `reply` and closes.
class RawServer {
 public:
  explicit RawServer(std::string reply) : reply_(std::move(reply)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  Carrier carrier() const {
    Options options;
    options.base_url = "http://127.0.0.1:" + std::to_string(port_);
    options.account_sid = kAccount;
    options.auth_token = Secret("secret");
    return Carrier(options);
  }
  int connections() const { return connections_; }

 private:
  void serve() {
    for (;;) {
      const int peer = ::accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      ++connections_;
      char buffer[8192];
      [[maybe_unused]] const auto got = ::recv(peer, buffer, sizeof buffer, 0);
      [[maybe_unused]] const auto put = ::send(peer, reply_.data(), reply_.size(), MSG_NOSIGNAL);
      ::close(peer);
    }
  }
  std::string reply_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("carrier: a create-call names its parameters as Twilio's description does") {
  FakeApi api;
  api.answer(201, R"({"sid":")" + kSid + R"(","status":"queued","queue_time":"1500"})");
  auto call = simple_call();
  call.ring_timeout = std::chrono::seconds(25);
  call.time_limit = std::chrono::seconds(300);
  call.fallback_url = "https://calls.example.com/fallback";
  MachineDetection amd;
  amd.async_callback_url = "https://calls.example.com/amd";
  amd.speech_threshold = std::chrono::milliseconds(2000);
  call.machine_detection = amd;
  const auto outcome = api.carrier().create_call(call, soon());
  REQUIRE(outcome.kind == Kind::placed);
  REQUIRE(outcome.sid == kSid);
  REQUIRE(outcome.status == CallStatus::queued);
  REQUIRE(outcome.queue_time == std::chrono::milliseconds(1500));

  const auto request = api.requests().at(0);
  REQUIRE(request.method == "POST");
  REQUIRE(request.target == "/2010-04-01/Accounts/" + kAccount + "/Calls.json");
  REQUIRE(request.headers.get("Authorization") == net::basic_auth(kAccount, "secret"));
  REQUIRE(request.headers.get("Content-Type") == "application/x-www-form-urlencoded");
  REQUIRE(api.form() == net::Params{{"To", "+12025550101"},
                                    {"From", "+12025550100"},
                                    {"Twiml", "<Response/>"},
                                    {"FallbackUrl", "https://calls.example.com/fallback"},
                                    {"StatusCallback", "https://calls.example.com/status"},
                                    {"StatusCallbackEvent", "initiated"},
                                    {"StatusCallbackEvent", "ringing"},
                                    {"StatusCallbackEvent", "answered"},
                                    {"StatusCallbackEvent", "completed"},
                                    {"Timeout", "25"},
                                    {"TimeLimit", "300"},
                                    {"MachineDetection", "Enable"},
                                    {"AsyncAmd", "true"},
                                    {"AsyncAmdStatusCallback", "https://calls.example.com/amd"},
                                    {"MachineDetectionSpeechThreshold", "2000"}});
}

TEST_CASE("carrier: a base URL may have a path of its own") {
  FakeApi api;
  api.answer(404, "{}");
  (void)api.carrier("/twilio/").fetch_call(kSid, soon());
  REQUIRE(api.requests().at(0).target ==
          "/twilio/2010-04-01/Accounts/" + kAccount + "/Calls/" + kSid + ".json");
}

TEST_CASE("carrier: only 429 is throttled, and Retry-After is read") {
  FakeApi api;
  api.answer(429, R"({"code":20429,"message":"Too Many Requests","status":429})",
             {{"Retry-After", "3"}});
  const auto outcome = api.carrier().create_call(simple_call(), soon());
  REQUIRE(outcome.kind == Kind::throttled);
  REQUIRE(outcome.code == 20429);
  REQUIRE(outcome.retry_after == std::chrono::seconds(3));
}

TEST_CASE("carrier: the carrier's own refusal is final and keeps its code") {
  FakeApi api;
  api.answer(400, R"({"code":21211,"message":"Invalid 'To' Phone Number","status":400})");
  const auto outcome = api.carrier().create_call(simple_call(), soon());
  REQUIRE(outcome.kind == Kind::rejected);
  REQUIRE(outcome.http_status == 400);
  REQUIRE(outcome.code == 21211);
  REQUIRE(outcome.why == "the carrier answered 400 (21211: Invalid 'To' Phone Number)");
}

TEST_CASE("carrier: an answer that proves nothing is unknown, and one request was made") {
  const std::vector<std::pair<int, std::string>> answers{
      {500, R"({"code":20500,"message":"Internal Server Error","status":500})"},
      {502, "<html>bad gateway</html>"},
      {503, ""},
      {400, "<html>a proxy's page</html>"},
      {403, "{}"},
      {302, ""},
      {200, R"({"sid":")" + kSid + R"(","status":"queued"})"},
      {201, ""},
      {201, "{"},
      {201, "[]"},
      {201, R"({"status":"queued"})"},
      {201, R"({"sid":null,"status":"queued"})"},
      {201, R"({"sid":"CA123","status":"queued"})"},
      {201, R"({"sid":"CA)" + std::string(32, 'A') + R"(","status":"queued"})"},
      {201, R"({"sid":")" + kSid + R"(","status":"sleeping"})"},
  };
  for (const auto& [status, body] : answers) {
    FakeApi api;
    api.answer(status, body);
    INFO(status << " " << body);
    const auto outcome = api.carrier().create_call(simple_call(), soon());
    REQUIRE(outcome.kind == Kind::unknown);
    REQUIRE_FALSE(outcome.why.empty());
    REQUIRE(api.requests().size() == 1);
  }
}

TEST_CASE("carrier: a connection that dies after the request is unknown and not repeated") {
  for (const std::string reply :
       {"", "HTTP/1.1 201 Crea", "HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{"}) {
    RawServer server(reply);
    REQUIRE(server.carrier().create_call(simple_call(), soon()).kind == Kind::unknown);
    REQUIRE(server.connections() == 1);
  }
}

TEST_CASE("carrier: a refused connection and a bad base URL are not_sent") {
  Options options;
  options.account_sid = kAccount;
  options.base_url = "http://127.0.0.1:1";
  REQUIRE(Carrier(options).create_call(simple_call(), soon()).kind == Kind::not_sent);
  options.base_url = "nonsense";
  REQUIRE(Carrier(options).create_call(simple_call(), soon()).kind == Kind::not_sent);
}

TEST_CASE("carrier: an unfit request is rejected here, before anything is sent") {
  FakeApi api;
  auto no_document = simple_call();
  no_document.twiml.clear();
  auto two_documents = simple_call();
  two_documents.url = "https://calls.example.com/answer";
  auto long_twiml = simple_call();
  long_twiml.twiml = std::string(kMaxInlineTwiml + 1, 'x');
  auto nobody = simple_call();
  nobody.to.clear();
  auto short_ring = simple_call();
  short_ring.ring_timeout = std::chrono::seconds(1);
  for (const auto& call : {no_document, two_documents, long_twiml, nobody, short_ring}) {
    const auto outcome = api.carrier().create_call(call, soon());
    REQUIRE(outcome.kind == Kind::rejected);
    REQUIRE(outcome.http_status == 0);
  }
  REQUIRE(api.requests().empty());
}

TEST_CASE("carrier: hanging up a call that is over already is a success") {
  FakeApi api;
  const UpdateCall hang_up;
  api.answer(404, R"({"code":20404,"message":"not found","status":404})");
  REQUIRE(api.carrier().update_call(kSid, hang_up, soon()).value() == UpdateOutcome::already_over);
  REQUIRE(api.form() == net::Params{{"Status", "completed"}});
  api.answer(400, R"({"code":21220,"message":"Invalid call state","status":400})");
  REQUIRE(api.carrier().update_call(kSid, hang_up, soon()).value() == UpdateOutcome::already_over);
  api.answer(200, "{}");
  REQUIRE(api.carrier().update_call(kSid, hang_up, soon()).value() == UpdateOutcome::updated);
}

TEST_CASE("carrier: a redirect that comes too late is an error, and so is a missing account") {
  FakeApi api;
  const UpdateCall redirect{UpdateCall::Action::redirect, "<Response/>"};
  api.answer(400, R"({"code":21220,"message":"Invalid call state","status":400})");
  REQUIRE(api.carrier().update_call(kSid, redirect, soon()).error().code == Errc::invalid_argument);
  api.answer(401, R"({"code":20003,"message":"Authenticate","status":401})");
  REQUIRE(api.carrier().update_call(kSid, redirect, soon()).error().code == Errc::permission);
  api.answer(503, "");
  REQUIRE(api.carrier().update_call(kSid, redirect, soon()).error().code == Errc::unavailable);
  REQUIRE(api.carrier().update_call("CA1", redirect, soon()).error().code ==
          Errc::invalid_argument);
}

TEST_CASE("carrier: a fetched call has its times, duration and verdict") {
  FakeApi api;
  api.answer(200, R"({"sid":")" + kSid + R"(","status":"completed","to":"+12025550101",
    "from":"+12025550100","date_created":"Mon, 23 Nov 2026 21:56:03 +0000",
    "start_time":"Mon, 23 Nov 2026 21:56:04 +0000","end_time":null,"duration":"17",
    "queue_time":"0","answered_by":"machine_start"})");
  const auto call = api.carrier().fetch_call(kSid, soon());
  REQUIRE(call.ok());
  REQUIRE(call.value().status == CallStatus::completed);
  REQUIRE(to_rfc3339(*call.value().start_time) == "2026-11-23T21:56:04Z");
  REQUIRE_FALSE(call.value().end_time);
  REQUIRE(call.value().duration == std::chrono::seconds(17));
  REQUIRE(call.value().answered_by == AnsweredBy::machine_start);
}

TEST_CASE("carrier: a list that never ends is read up to the limit only") {
  FakeApi api;
  api.answer(200, R"({"calls":[{"sid":")" + kSid + R"(","status":"queued"}],
                      "next_page_uri":"/2010-04-01/again"})");
  ListCalls filter;
  filter.to = "+12025550101";
  filter.status = CallStatus::queued;
  filter.max_calls = 5;
  const auto calls = api.carrier().list_calls(filter, soon());
  REQUIRE(calls.ok());
  REQUIRE(calls.value().size() == 5);
  REQUIRE(api.requests().size() == 5);
  REQUIRE(api.requests()[0].query() == "To=%2B12025550101&Status=queued&PageSize=100");
  REQUIRE(api.requests()[1].target == "/2010-04-01/again");
}
