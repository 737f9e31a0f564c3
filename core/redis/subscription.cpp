#include "core/redis/subscription.hpp"

#include <utility>

namespace call::redis {

Subscription::Subscription(Endpoint endpoint, std::vector<std::string> channels,
                           std::string client_name)
    : connection_(std::move(endpoint), std::move(client_name)), channels_(std::move(channels)) {}

Status Subscription::open(Deadline deadline) {
  if (connection_.connected()) return {};
  asked_ = false;
  CALL_CHECK(connection_.ensure_connected(deadline));
  Command words = {"SUBSCRIBE"};
  words.insert(words.end(), channels_.begin(), channels_.end());
  auto sent = connection_.send(words, deadline);
  for (std::size_t i = 0; sent && i < channels_.size(); ++i) {
    auto confirmation = connection_.receive(deadline);
    if (!confirmation) {
      sent = std::move(confirmation).error();
    } else if (!*confirmation || (*confirmation)->is_error()) {
      sent = Error{Errc::timeout, "Redis did not confirm the subscription"};
    }
  }
  if (!sent) connection_.close();
  return sent;
}

Result<std::optional<Message>> Subscription::next(Deadline deadline) {
  while (true) {
    CALL_TRY(auto reply, connection_.receive(deadline));
    if (!reply) return std::optional<Message>{};
    auto& items = reply->items;
    asked_ = false;
    if (items.size() == 3 && items[0].text == "message")
      return std::optional<Message>{{std::move(items[1].text), std::move(items[2].text)}};
  }
}

Status Subscription::ping(Deadline deadline) {
  if (asked_) {
    close();
    return Error{Errc::timeout, "Redis no longer answers on the subscription"};
  }
  asked_ = true;
  return connection_.send(cmd("PING"), deadline);
}

void Subscription::close() {
  connection_.close();
}

}  // namespace call::redis
