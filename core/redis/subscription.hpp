// Published messages, received on a connection of their own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/redis/connection.hpp"

namespace call::redis {

struct Message {
  std::string channel;
  std::string payload;
};

/// Belongs to one thread. After a loss (Errc::closed) the owner calls open() again: messages
/// published meanwhile are gone, as Redis's pub/sub is.
class Subscription {
 public:
  Subscription(Endpoint endpoint, std::vector<std::string> channels, std::string client_name = {});

  /// Connects and subscribes to all channels unless that is done already.
  Status open(Deadline deadline);
  /// The next message, or nullopt when the deadline passed.
  Result<std::optional<Message>> next(Deadline deadline);
  /// Asks for a sign of life; to be called now and then. Fails (Errc::timeout) and closes when the
  /// one before was never answered: a connection can be dead without either end being told.
  Status ping(Deadline deadline);
  void close();
  Connection& connection() { return connection_; }

 private:
  Connection connection_;
  std::vector<std::string> channels_;
  bool asked_ = false;  ///< and not answered yet
};

}  // namespace call::redis
