// A WebSocket to a provider that is kept up: it connects, connects again with growing pauses, and
// tells its owner. Lives on the host's loop; only make() may be called elsewhere.
//
// It also keeps the service's breaker: a connection that is lost, or dropped, without having been of
// use is a failure, whether it was made or not. A service that takes connections and says nothing
// would never be left alone otherwise.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "core/net/ws_client.hpp"
#include "core/provider/host.hpp"
#include "core/runtime/timer.hpp"

namespace call::provider {

struct ChannelOptions {
  net::Url url;
  net::Headers headers;
  std::chrono::milliseconds connect_timeout{5000};
  std::size_t max_message_bytes = 4U << 20;
  std::chrono::milliseconds first_pause{200};
  std::chrono::milliseconds longest_pause{5000};
  /// A connection that lived this long has proved itself: the pauses begin anew.
  std::chrono::milliseconds proven_after{5000};
  bool reconnect = true;
};

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_up() = 0;
    virtual void on_text(std::string_view message) = 0;
    virtual void on_binary(std::string_view message) = 0;
    /// Lost, or not made. `soon`: another attempt follows by itself, worth waiting for.
    virtual void on_down(const Error& error, bool soon) = 0;
  };

  static std::shared_ptr<Channel> make(Host& host, ChannelOptions options,
                                       std::shared_ptr<Breaker> breaker);
  Channel(Host& host, ChannelOptions options, std::shared_ptr<Breaker> breaker);

  /// Connects. The owner must call close() before it goes; a channel whose loop has ended does
  /// nothing any more.
  void open(Owner& owner);
  /// False: not up, or the peer does not read. The message is not sent then.
  bool send_text(std::string_view message);
  bool send_binary(std::string_view message);
  bool up() const { return connection_ != nullptr; }
  /// Why there is nothing to wait for: refused for good, or left alone for a while. nullptr: there is.
  const Error* out_of_service() const { return hopeless_ ? &*hopeless_ : nullptr; }
  /// The service has said something that was asked for.
  void useful();
  /// Ends the connection, without waiting; the owner hears nothing any more.
  void close();
  /// Cuts the present connection, or gives up the attempt to make it, as if it had been lost: it was
  /// of no use.
  void drop(const Error& why);

 private:
  class Link;
  void connect();
  void opened(net::WsConnection& connection);
  enum class End {
    failure,  ///< another attempt follows
    polite,   ///< the same, and nobody's fault
    refused,  ///< the next one would be refused as well
    held      ///< by the breaker: not tried; another attempt follows, but not soon
  };
  void lost(const Error& error, End end);
  void hang_up();
  void forget_connection();

  Host& host_;
  const ChannelOptions options_;
  const std::shared_ptr<Breaker> breaker_;
  runtime::Timer timer_;
  Owner* owner_ = nullptr;
  net::WsHandle handle_;
  net::WsConnection* connection_ = nullptr;
  std::uint32_t round_ = 0;  ///< tells the present connection's news from an older one's
  std::chrono::milliseconds pause_;
  MonoClock::time_point up_since_{};
  bool useful_ = false;  ///< the present connection
  std::optional<Error> hopeless_;
};

}  // namespace call::provider
