// A load generator for the webhooks of `calld api`: signed status callbacks over kept connections, one
// request at a time on each. Prints one line of JSON.
//
//   webhook_load HOST:PORT AUTH_TOKEN CALLS CONNECTIONS     the status callbacks of each call in CALLS,
//                                                           lines "TOKEN SID TO FROM"
//   webhook_load HOST:PORT AUTH_TOKEN - CONNECTIONS N       N times GET /healthz, the baseline
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "core/base/secret.hpp"
#include "core/carrier/signature.hpp"
#include "core/net/form.hpp"

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "webhook_load: %s\n", why.c_str());
  std::exit(1);
}

struct Target {
  std::string host;
  std::string port;
};

class Connection {
 public:
  explicit Connection(const Target& target) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &found) != 0)
      fail("no such host");
    fd_ = ::socket(found->ai_family, SOCK_STREAM, 0);
    if (::connect(fd_, found->ai_addr, found->ai_addrlen) != 0) fail("cannot connect");
    ::freeaddrinfo(found);
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// The status of the answer; its body is read and forgotten.
  int ask(const std::string& request) {
    if (::send(fd_, request.data(), request.size(), 0) != static_cast<ssize_t>(request.size()))
      fail("cannot send");
    std::string answer;
    std::size_t end = std::string::npos;
    while ((end = answer.find("\r\n\r\n")) == std::string::npos) read(answer);
    std::size_t body = 0;
    const auto length = answer.find("Content-Length: ");
    if (length < end) body = std::strtoul(answer.c_str() + length + 16, nullptr, 10);
    while (answer.size() < end + 4 + body) read(answer);
    return static_cast<int>(std::strtol(answer.c_str() + 9, nullptr, 10));
  }

 private:
  void read(std::string& into) {
    std::array<char, 4096> buffer{};
    const auto got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got <= 0) fail("the server closed a connection");
    into.append(buffer.data(), static_cast<std::size_t>(got));
  }
  int fd_ = -1;
};

/// The four callbacks of a call, in order, ready to send.
void add_callbacks(std::vector<std::string>& out, const Target& target, const call::Secret& secret,
                   const std::array<std::string, 4>& call) {
  const std::string host = target.host + ":" + target.port;
  int sequence = 0;
  for (const char* status : {"initiated", "ringing", "in-progress", "completed"}) {
    call::net::Params params{{"AccountSid", "AC00000000000000000000000000000001"},
                             {"ApiVersion", "2010-04-01"},
                             {"CallSid", call[1]},
                             {"CallStatus", status},
                             {"CallbackSource", "call-progress-events"},
                             {"Direction", "outbound-api"},
                             {"From", call[3]},
                             {"SequenceNumber", std::to_string(sequence++)},
                             {"Timestamp", "Fri, 27 Nov 2026 08:00:00 +0000"},
                             {"To", call[2]}};
    const std::string path = "/twilio/status/" + call[0];
    const auto signature = call::carrier::sign(secret, "http://" + host + path, params);
    const auto body = call::net::encode_form(params);
    out.push_back("POST " + path + " HTTP/1.1\r\nHost: " + host + "\r\nX-Twilio-Signature: " +
                  signature + "\r\nI-Twilio-Idempotency-Token: " + call[0] + status +
                  "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
                  std::to_string(body.size()) + "\r\n\r\n" + body);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) fail("HOST:PORT AUTH_TOKEN CALLS|- CONNECTIONS [N]");
  const std::string address = argv[1];
  const auto colon = address.rfind(':');
  const Target target{address.substr(0, colon), address.substr(colon + 1)};
  const call::Secret secret{std::string(argv[2])};
  const auto connections = std::strtoul(argv[4], nullptr, 10);
  // A call's callbacks stay on one connection, so that they come in order.
  std::vector<std::vector<std::string>> work(connections);
  if (std::string(argv[3]) == "-") {
    const auto count = argc > 5 ? std::strtoul(argv[5], nullptr, 10) : 1000;
    for (std::size_t i = 0; i < count; ++i)
      work[i % connections].push_back("GET /healthz HTTP/1.1\r\nHost: " + address + "\r\n\r\n");
  } else {
    std::ifstream file(argv[3]);
    std::array<std::string, 4> call;
    for (std::size_t n = 0; file >> call[0] >> call[1] >> call[2] >> call[3]; ++n)
      add_callbacks(work[n % connections], target, secret, call);
  }

  std::vector<std::vector<double>> took(connections);
  std::atomic<std::size_t> refused{0};
  const auto begun = Clock::now();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      Connection connection(target);
      for (const auto& request : work[i]) {
        const auto sent = Clock::now();
        if (connection.ask(request) >= 300) ++refused;
        took[i].push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent).count());
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  std::vector<double> all;
  for (const auto& some : took) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  if (all.empty()) fail("nothing to send");
  const auto at = [&](double share) {
    return all[std::min(all.size() - 1,
                        static_cast<std::size_t>(share * static_cast<double>(all.size())))];
  };
  std::printf(
      "{\"requests\": %zu, \"seconds\": %.3f, \"per_second\": %.0f, \"p50_ms\": %.2f, "
      "\"p99_ms\": %.2f, \"max_ms\": %.2f, \"refused\": %zu}\n",
      all.size(), seconds, static_cast<double>(all.size()) / seconds, at(0.5), at(0.99), all.back(),
      refused.load());
  return refused.load() == 0 ? 0 : 1;
}
