// A server for tests that speaks HTTP/1.1 and WebSocket (RFC 6455) over plain sockets, written apart
// from the product's own, and misbehaves on demand. One thread, one port.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace call::fakes {

using std::chrono::milliseconds;

/// What goes wrong with the answers of a connection.
struct Faults {
  std::size_t slice = 0;                   ///< so many bytes a write; 0: all at once
  std::optional<std::size_t> cut_after;    ///< the connection closes behind that many bytes
  std::optional<std::size_t> stall_after;  ///< nothing comes behind that many bytes; it stays open
  milliseconds delay{0};                   ///< before every answer
  bool mute = false;  ///< upgraded, or the head was sent: then nothing but pongs and closes
};

struct Request {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;

  std::string path() const { return target.substr(0, target.find('?')); }
};

class Connection;

/// What a WebSocket of a route does; lives as long as its connection.
class Socket {
 public:
  virtual ~Socket() = default;
  virtual void on_text(const std::string& text) = 0;
  virtual void on_binary(const std::string& bytes) = 0;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Route = std::function<void(Connection&, const Request&)>;

  Connection(boost::asio::ip::tcp::socket socket, Route route, Faults faults);
  void start() { read(); }

  /// Bytes for the peer, in order, no sooner than `after` from now.
  void send(std::string bytes, milliseconds after = milliseconds(0));
  void respond(int status, std::string_view type, std::string_view body,
               const std::string& fields = {}, milliseconds after = milliseconds(0));
  void begin_chunked(std::string_view type, milliseconds after = milliseconds(0));
  void chunk(std::string_view bytes, milliseconds after = milliseconds(0));
  void end_chunked(milliseconds after = milliseconds(0));
  /// Answers 101; messages go to `socket` from now on.
  void upgrade(const Request& request, std::unique_ptr<Socket> socket);
  void text(std::string_view message, milliseconds after = milliseconds(0));
  void close_socket(std::uint16_t code, std::string_view reason,
                    milliseconds after = milliseconds(0));
  /// Closes once everything before has gone out.
  void finish() { closing_ = true, write(); }
  /// Closes at once, whatever has not gone out.
  void cut();
  /// What is no HTTP comes next; then it closes.
  void garble() { send("this is no chunk\r\n"), finish(); }
  bool gone() const { return !socket_.is_open(); }
  boost::asio::io_context& context() { return context_; }
  /// Runs `task` later unless the connection is gone by then.
  void later(milliseconds after, std::function<void()> task);

 private:
  struct Item {
    std::string bytes;
    std::chrono::steady_clock::time_point not_before;
  };
  void read();
  void parse();
  bool parse_http();
  bool parse_frame();
  void write();
  void frame(int opcode, std::string_view payload, milliseconds after);

  boost::asio::io_context& context_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;
  const Route route_;
  Faults faults_;
  std::string in_;
  std::string message_;
  int message_opcode_ = 0;
  std::array<char, 16384> chunk_{};
  std::deque<Item> out_;
  std::size_t sent_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  std::unique_ptr<Socket> ws_;
};

class Server {
 public:
  /// `route` runs on the server's thread for every request.
  explicit Server(Connection::Route route, std::uint16_t port = 0);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }
  /// For connections from now on. Thread-safe.
  void set_faults(const Faults& faults);
  std::size_t accepted() const;
  std::size_t open() const;  ///< connections that neither side has closed
  /// Closes all connections without a word.
  void cut_all();

 private:
  void accept();

  boost::asio::io_context context_{1};
  boost::asio::ip::tcp::acceptor acceptor_;
  const Connection::Route route_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  Faults faults_;
  std::size_t accepted_ = 0;
  std::vector<std::weak_ptr<Connection>> connections_;
  std::thread thread_;
};

}  // namespace call::fakes
