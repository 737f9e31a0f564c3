// A Redis of the test's own, a client on it, and workers in threads.
#pragma once

#include <catch2/catch.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/json/json.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/acts.hpp"
#include "core/rq/client.hpp"
#include "core/rq/reads.hpp"
#include "core/rq/worker.hpp"
#include "tests/support/servers.hpp"

namespace call::rq::test {

inline Deadline soon() {
  return Deadline::after(std::chrono::seconds(10));
}

struct World {
  redis::Endpoint endpoint = *redis::parse_url(support::fresh_redis());
  Client client{endpoint};
  redis::Connection redis{endpoint};

  World() { REQUIRE(redis.ensure_connected(soon())); }

  redis::Reply ask(const redis::Command& words) {
    auto reply = redis.command(words, soon());
    if (!reply) FAIL(reply.error().to_string());
    return *std::move(reply);
  }
  std::string field(const std::string& id, const std::string& name) {
    return ask({"HGET", "rq:job:" + id, name}).text;
  }
  std::string add(const std::string& function, const Json& args, EnqueueOptions options = {},
                  const std::string& queue = "default") {
    auto done = client.enqueue(queue, function, args, options, soon());
    if (!done) FAIL(done.error().to_string());
    return done->job_id;
  }
  JobInfo job(const std::string& id) {
    auto info = rq::job(redis, id, soon());
    if (!info) FAIL(info.error().to_string());
    return *std::move(info);
  }
  /// Waits for a condition about Redis, asking every few milliseconds.
  void until(const std::function<bool()>& condition) {
    const auto deadline = soon();
    while (!condition()) {
      if (deadline.passed()) FAIL("the condition was never met");
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  void until_status(const std::string& id, const std::string& status) {
    until([&] { return field(id, "status") == status; });
  }

  WorkerOptions options() const {
    WorkerOptions out;
    out.redis = endpoint;
    out.name = "w";
    out.lease = std::chrono::seconds(3);
    out.heartbeat_every = std::chrono::milliseconds(200);
    out.maintain_every = std::chrono::milliseconds(300);
    out.drain_grace = std::chrono::milliseconds(300);
    out.overrun_grace = std::chrono::milliseconds(2000);
    return out;
  }
};

/// A worker on a thread of its own, stopped at the end of the test.
class RunningWorker {
 public:
  RunningWorker(WorkerOptions options, Registry registry)
      : worker_(std::move(options), std::move(registry)),
        thread_([this] { status_ = worker_.run(); }) {}
  ~RunningWorker() {
    worker_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  Worker& worker() { return worker_; }
  Status stop() {
    worker_.request_stop();
    return join();
  }
  Status join() {
    if (thread_.joinable()) thread_.join();
    return status_;
  }

 private:
  Worker worker_;
  Status status_;
  std::thread thread_;
};

/// Blocks until it is asked to stop (then cancelled) or released (then "released").
struct Gate {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool open = false;

  void release() {
    {
      std::lock_guard lock(mutex);
      open = true;
    }
    changed.notify_all();
  }
  Function function() {
    return [this](JobContext& context) -> Result<Json> {
      std::unique_lock lock(mutex);
      if (changed.wait(lock, context.stop, [this] { return open; })) return Json("released");
      return Error{Errc::cancelled, "asked to stop"};
    };
  }
};

}  // namespace call::rq::test
