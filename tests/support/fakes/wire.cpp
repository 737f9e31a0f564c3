#include "tests/support/fakes/wire.hpp"

#include <openssl/sha.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cctype>

#include "core/crypto/base64.hpp"

namespace call::fakes {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

std::string accept_key(const std::string& key) {
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return crypto::base64_encode({reinterpret_cast<const char*>(digest), sizeof digest});
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, Route route, Faults faults)
    : context_(static_cast<asio::io_context&>(socket.get_executor().context())),
      socket_(std::move(socket)),
      timer_(context_),
      route_(std::move(route)),
      faults_(faults) {}

void Connection::read() {
  socket_.async_read_some(asio::buffer(chunk_),
                          [self = shared_from_this()](const error_code& ec, std::size_t n) {
                            if (ec) {
                              error_code ignored;
                              self->socket_.close(ignored);
                              self->timer_.cancel();
                              return;
                            }
                            self->in_.append(self->chunk_.data(), n);
                            self->parse();
                            self->read();
                          });
}

void Connection::parse() {
  while (!gone() && (ws_ ? parse_frame() : parse_http())) {
  }
}

bool Connection::parse_http() {
  const auto end = in_.find("\r\n\r\n");
  if (end == std::string::npos) return false;
  Request request;
  std::size_t at = 0;
  for (bool first = true; at < end; first = false) {
    const auto stop = std::min(in_.find("\r\n", at), end);
    const std::string line = in_.substr(at, stop - at);
    at = stop + 2;
    if (first) {
      const auto space = line.find(' ');
      request.method = line.substr(0, space);
      request.target = line.substr(space + 1, line.rfind(' ') - space - 1);
    } else if (const auto colon = line.find(':'); colon != std::string::npos) {
      auto value = line.substr(colon + 1);
      value.erase(0, value.find_first_not_of(' '));
      request.headers[lower(line.substr(0, colon))] = value;
    }
  }
  const auto length = request.headers.find("content-length");
  const std::size_t body = length == request.headers.end() ? 0 : std::stoul(length->second);
  if (in_.size() < end + 4 + body) return false;
  request.body = in_.substr(end + 4, body);
  in_.erase(0, end + 4 + body);
  route_(*this, request);
  return true;
}

bool Connection::parse_frame() {
  if (in_.size() < 2) return false;
  const auto byte = [this](std::size_t i) { return static_cast<unsigned char>(in_[i]); };
  std::size_t at = 2;
  std::uint64_t length = byte(1) & 0x7FU;
  if (length >= 126) {
    const std::size_t bytes = length == 126 ? 2 : 8;
    if (in_.size() < at + bytes) return false;
    length = 0;
    for (std::size_t i = 0; i < bytes; ++i) length = (length << 8U) | byte(at + i);
    at += bytes;
  }
  if (in_.size() < at + 4 + length) return false;
  std::string payload = in_.substr(at + 4, length);
  for (std::size_t i = 0; i < payload.size(); ++i)
    payload[i] = static_cast<char>(payload[i] ^ in_[at + i % 4]);
  const int opcode = byte(0) & 0x0F;
  const bool last = (byte(0) & 0x80U) != 0;
  in_.erase(0, at + 4 + length);
  if (opcode == 8) {
    frame(8, payload, milliseconds(0));
    finish();
  } else if (opcode == 9) {
    frame(10, payload, milliseconds(0));
  } else if (opcode <= 2) {
    if (opcode != 0) message_opcode_ = opcode;
    message_ += payload;
    if (!last) return true;
    const std::string message = std::exchange(message_, {});
    if (message_opcode_ == 1) {
      ws_->on_text(message);
    } else {
      ws_->on_binary(message);
    }
  }
  return true;
}

void Connection::send(std::string bytes, milliseconds after) {
  out_.push_back({std::move(bytes), std::chrono::steady_clock::now() + after});
  write();
}

void Connection::write() {
  if (writing_ || gone()) return;
  if (out_.empty()) {
    error_code ignored;
    if (closing_) socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    if (closing_) socket_.close(ignored);
    return;
  }
  if (faults_.stall_after && sent_ >= *faults_.stall_after) return;
  if (faults_.cut_after && sent_ >= *faults_.cut_after) {
    error_code ignored;
    socket_.close(ignored);
    return;
  }
  writing_ = true;
  Item& item = out_.front();
  if (item.not_before > std::chrono::steady_clock::now()) {
    timer_.expires_at(item.not_before);
    timer_.async_wait([self = shared_from_this()](const error_code&) {
      self->writing_ = false;
      self->write();
    });
    return;
  }
  std::size_t n = item.bytes.size();
  if (faults_.slice > 0) n = std::min(n, faults_.slice);
  if (faults_.cut_after) n = std::min(n, *faults_.cut_after - sent_);
  if (faults_.stall_after) n = std::min(n, *faults_.stall_after - sent_);
  asio::async_write(socket_, asio::buffer(item.bytes.data(), n),
                    [self = shared_from_this(), n](const error_code& ec, std::size_t) {
                      self->writing_ = false;
                      if (ec) return;
                      self->sent_ += n;
                      auto& front = self->out_.front().bytes;
                      front.erase(0, n);
                      if (front.empty()) self->out_.pop_front();
                      self->write();
                    });
}

void Connection::respond(int status, std::string_view type, std::string_view body,
                         const std::string& fields, milliseconds after) {
  send("HTTP/1.1 " + std::to_string(status) + " Whatever\r\nContent-Type: " + std::string(type) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" +
           std::string(faults_.mute ? "" : body),
       after + faults_.delay);
}

void Connection::begin_chunked(std::string_view type, milliseconds after) {
  send("HTTP/1.1 200 OK\r\nContent-Type: " + std::string(type) +
           "\r\nTransfer-Encoding: chunked\r\n\r\n",
       after + faults_.delay);
}

void Connection::chunk(std::string_view bytes, milliseconds after) {
  if (faults_.mute) return;
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  send(size + std::string(bytes) + "\r\n", after + faults_.delay);
}

void Connection::end_chunked(milliseconds after) {
  if (faults_.mute) return;
  send("0\r\n\r\n", after + faults_.delay);
}

void Connection::upgrade(const Request& request, std::unique_ptr<Socket> socket) {
  ws_ = std::move(socket);
  send(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      accept_key(request.headers.at("sec-websocket-key")) + "\r\n\r\n");
}

void Connection::frame(int opcode, std::string_view payload, milliseconds after) {
  std::string bytes(1, static_cast<char>(0x80 | opcode));
  if (payload.size() < 126) {
    bytes += static_cast<char>(payload.size());
  } else if (payload.size() < 65536) {
    bytes += static_cast<char>(126);
    bytes += static_cast<char>(payload.size() >> 8U);
    bytes += static_cast<char>(payload.size() & 0xFFU);
  } else {
    bytes += static_cast<char>(127);
    for (int i = 7; i >= 0; --i)
      bytes += static_cast<char>((static_cast<std::uint64_t>(payload.size()) >> (8 * i)) & 0xFFU);
  }
  send(bytes + std::string(payload), after);
}

void Connection::text(std::string_view message, milliseconds after) {
  if (faults_.mute) return;
  frame(1, message, after + faults_.delay);
}

void Connection::close_socket(std::uint16_t code, std::string_view reason, milliseconds after) {
  if (faults_.mute) return;
  std::string payload{static_cast<char>(code >> 8U), static_cast<char>(code & 0xFFU)};
  frame(8, payload + std::string(reason), after);
  closing_ = true;
}

void Connection::cut() {
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
}

void Connection::later(milliseconds after, std::function<void()> task) {
  auto timer = std::make_shared<asio::steady_timer>(context_, after);
  timer->async_wait([self = shared_from_this(), timer, task = std::move(task)](const error_code&) {
    if (!self->gone()) task();
  });
}

Server::Server(Connection::Route route, std::uint16_t port)
    : acceptor_(context_, {asio::ip::make_address("127.0.0.1"), port}), route_(std::move(route)) {
  port_ = acceptor_.local_endpoint().port();
  accept();
  thread_ = std::thread([this] { context_.run(); });
}

Server::~Server() {
  context_.stop();
  thread_.join();
}

void Server::accept() {
  acceptor_.async_accept([this](const error_code& ec, asio::ip::tcp::socket socket) {
    if (ec) return;
    error_code ignored;
    socket.set_option(asio::ip::tcp::no_delay(true), ignored);
    std::shared_ptr<Connection> connection;
    {
      std::lock_guard lock(mutex_);
      ++accepted_;
      connection = std::make_shared<Connection>(std::move(socket), route_, faults_);
      std::erase_if(connections_, [](const auto& c) { return c.expired(); });
      connections_.push_back(connection);
    }
    connection->start();
    accept();
  });
}

void Server::set_faults(const Faults& faults) {
  std::lock_guard lock(mutex_);
  faults_ = faults;
}

std::size_t Server::accepted() const {
  std::lock_guard lock(mutex_);
  return accepted_;
}

std::size_t Server::open() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::ranges::count_if(connections_, [](const auto& c) { return !c.expired(); }));
}

void Server::cut_all() {
  asio::post(context_, [this] {
    std::lock_guard lock(mutex_);
    for (const auto& connection : connections_) {
      if (const auto alive = connection.lock()) alive->cut();
    }
  });
}

}  // namespace call::fakes
