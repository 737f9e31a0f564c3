#include "tests/unit/dialer/fake_carrier.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "core/base/assert.hpp"
#include "core/base/clock.hpp"
#include "core/base/strings.hpp"

namespace call::dialer_test {
namespace {

int listen_on_loopback(std::uint16_t& port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CALL_ASSERT(fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  CALL_ASSERT(::bind(fd, generic, sizeof address) == 0 && ::listen(fd, 64) == 0);
  socklen_t size = sizeof address;
  CALL_ASSERT(::getsockname(fd, generic, &size) == 0);
  port = ntohs(address.sin_port);
  return fd;
}

std::size_t content_length(std::string_view head) {
  const auto lower = to_lower_ascii(head);
  constexpr std::string_view kName = "content-length:";
  const auto at = lower.find(kName);
  if (at == std::string::npos) return 0;
  const auto end = lower.find("\r\n", at);
  const auto text =
      trim(std::string_view(lower).substr(at + kName.size(), end - at - kName.size()));
  return parse_number<std::size_t>(text).value_or(0);
}

/// One whole request, or nothing when the client went away.
bool read_request(int fd, Received& request) {
  std::string bytes;
  std::size_t head = std::string::npos;
  char buffer[8192];
  while (true) {
    head = bytes.find("\r\n\r\n");
    if (head != std::string::npos &&
        bytes.size() >= head + 4 + content_length(bytes.substr(0, head + 2)))
      break;
    const auto got = ::read(fd, buffer, sizeof buffer);
    if (got <= 0) return false;
    bytes.append(buffer, static_cast<std::size_t>(got));
  }
  const auto line = split(std::string_view(bytes).substr(0, bytes.find("\r\n")), ' ');
  request.method = line.at(0);
  request.target = line.at(1);
  request.form = net::decode_form(bytes.substr(head + 4)).value_or({});
  request.at = MonoClock::now();
  return true;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
}

bool is_create(const Received& request) {
  return request.method == "POST" && request.target.ends_with("/Calls.json");
}

}  // namespace

std::string Received::token() const {
  const auto url = param("StatusCallback");
  const auto end = url.find('#');
  const auto begin = url.rfind('/', end);
  return url.substr(begin + 1, end - begin - 1);
}

Answer answer(int status, const std::string& body, const std::string& headers) {
  return {fmt::format("HTTP/1.1 {} X\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n"
                      "Connection: close\r\n\r\n{}",
                      status, headers, body.size(), body),
          {}};
}

std::string sid_of(std::uint64_t n) {
  return fmt::format("CA{:032x}", n);
}

std::string call_json(const std::string& sid, const std::string& to, const std::string& from,
                      const std::string& status, const std::string& created_rfc2822) {
  return fmt::format(
      R"({{"sid":"{}","to":"{}","from":"{}","status":"{}","date_created":"{}","queue_time":"0"}})",
      sid, to, from, status, created_rfc2822);
}

Answer placed(const std::string& sid) {
  return answer(201, call_json(sid, "", "", "queued", to_rfc2822(wall_now())));
}

Answer refused(int status, int code, const std::string& headers) {
  return answer(
      status,
      fmt::format(R"({{"code":{},"message":"no","more_info":"","status":{}}})", code, status),
      headers);
}

Answer gone() {
  return {};
}

Answer cut(Answer whole, std::size_t bytes) {
  whole.bytes.resize(bytes);
  return whole;
}

FakeCarrier::FakeCarrier(Script script)
    : script_(std::move(script)),
      listener_(listen_on_loopback(port_)),
      acceptor_([this] { accept_all(); }) {}

FakeCarrier::~FakeCarrier() {
  stopping_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  auto threads = connections_.with([](auto& all) { return std::exchange(all, {}); });
  for (auto& thread : threads) thread.join();
  ::close(listener_);
}

void FakeCarrier::accept_all() {
  while (!stopping_) {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    connections_.with([&](auto& all) { all.emplace_back([this, fd] { serve(fd); }); });
  }
}

void FakeCarrier::serve(int fd) {
  Received request;
  if (read_request(fd, request)) {
    received_.with([&](auto& all) { all.push_back(request); });
    const auto reply = script_(request);
    if (reply.delay.count() > 0) {
      // Until the delay is over or the client has gone.
      pollfd watch{fd, POLLRDHUP, 0};
      ::poll(&watch, 1, static_cast<int>(reply.delay.count()));
    }
    write_all(fd, reply.bytes);
  }
  ::close(fd);
}

std::string FakeCarrier::base_url() const {
  return fmt::format("http://127.0.0.1:{}", port_);
}

std::vector<Received> FakeCarrier::requests() const {
  return received_.with([](const auto& all) { return all; });
}

std::vector<Received> FakeCarrier::creates() const {
  std::vector<Received> found;
  for (auto& request : requests())
    if (is_create(request)) found.push_back(std::move(request));
  return found;
}

std::uint16_t closed_port() {
  std::uint16_t port = 0;
  ::close(listen_on_loopback(port));
  return port;
}

}  // namespace call::dialer_test
