// Signed requests to the application: status callbacks, TwiML fetches, verdicts, stream events. A
// bounded pool of threads does the blocking; answers come back on the loop.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>

#include "core/base/deadline.hpp"
#include "core/base/secret.hpp"
#include "core/net/form.hpp"
#include "core/runtime/thread_pool.hpp"
#include "core/sim/model.hpp"

namespace call::runtime {
class Loop;
}

namespace call::sim {

struct HookAnswer {
  int status = 0;  ///< HTTP; 0: no answer
  std::string body;
  std::string error;  ///< one sentence when there is no 2xx answer
  bool ok() const { return status >= 200 && status < 300; }
  /// Twilio's warning: 11205 connection failure, 11200 retrieval failure.
  int warning_code() const { return status == 0 ? 11205 : 11200; }
};

class Webhooks {
 public:
  struct Options {
    Secret auth_token;
    std::size_t threads = 8;
    std::chrono::milliseconds timeout{15000};
  };
  using Done = std::function<void(HookAnswer)>;

  Webhooks(Options options, runtime::Loop& loop);

  /// Sends, and again (with the same I-Twilio-Idempotency-Token) as the URL's policy says: by
  /// default once more when no connection came about. `done` runs on the loop, always (unless the
  /// loop has stopped), never inline. Thread-safe.
  void send(const Hook& hook, net::Params params, Done done);
  std::size_t pending() const { return pending_; }
  void stop();  ///< no more retries; waits for what is under way; blocks at most the time-out

 private:
  struct Job {
    Hook hook;
    net::Params params;
    Done done;
  };
  void complete(Job& job, HookAnswer answer);
  HookAnswer deliver(const Hook& hook, const net::Params& params);
  bool wait_before_retry(int attempt, Deadline deadline);

  Options options_;
  runtime::Loop& loop_;
  std::atomic<std::size_t> pending_{0};
  std::mutex stop_mutex_;
  std::condition_variable stop_changed_;
  bool stopping_ = false;
  runtime::ThreadPool pool_;
};

}  // namespace call::sim
