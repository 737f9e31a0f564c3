// A driver that has no free slot waits for a call to end. The process that learns of the end, which
// is the API, says so on a channel of Redis; every worker hears it and wakes the list's driver, and
// those that wait for a slot which lists share. A message is a hint: a lost one costs the driver its
// next look, a second at most. Nothing of it touches PostgreSQL, whose NOTIFY would put a lock of the
// whole database into every commit.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>

#include "core/base/deadline.hpp"
#include "core/base/guarded.hpp"
#include "core/log/log.hpp"
#include "core/redis/connection.hpp"
#include "core/redis/endpoint.hpp"

namespace call::dialer {

/// Says that a slot of the list has come free.
Status publish_wake(redis::Connection& redis, std::int64_t list_id, Deadline deadline);

/// Listens, on a thread of its own ("wake"). Thread-safe. One per worker process.
class Wakes {
 public:
  explicit Wakes(redis::Endpoint endpoint);
  ~Wakes();
  Wakes(const Wakes&) = delete;
  Wakes& operator=(const Wakes&) = delete;

  /// Of a call that has ended.
  enum class Whose { own, other };
  using Wake = std::function<void(Whose)>;

  /// `wake` is called on the listener's thread for every message, until remove() has returned. It must
  /// be short.
  void add(std::int64_t list_id, Wake wake);
  void remove(std::int64_t list_id);

 private:
  void listen();
  void deliver(const std::string& payload);

  const redis::Endpoint endpoint_;
  const log::Logger log_{"dialer"};
  Guarded<std::map<std::int64_t, Wake>> drivers_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace call::dialer
