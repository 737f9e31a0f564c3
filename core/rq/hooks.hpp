// Inside core/rq: what is sent after a job's end, by a thread of its own, so that a slow receiver
// delays no job. Nothing here can fail a job.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/deadline.hpp"
#include "core/log/log.hpp"
#include "core/rq/hook_requests.hpp"

namespace call::runtime {
class ThreadPool;
}

namespace call::rq {

class Hooks {
 public:
  Hooks();
  ~Hooks();
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  /// Sends those of `webhooks` (the job's field: a JSON list) that are for this status.
  /// Thread-safe, never blocks; a full queue drops with a log line.
  void send(const std::string& webhooks, const End& end);
  /// Runs something on that thread; `what` names it in the log should it be dropped.
  void run(std::string_view what, std::function<void(std::stop_token)> task);
  /// Waits until everything is done or the deadline passed, then gives up what is left. At the
  /// worker's end; nothing may be sent afterwards.
  void finish(Deadline deadline);

 private:
  std::mutex mutex_;
  std::condition_variable done_;
  int waiting_ = 0;
  std::stop_source stop_;
  log::Logger log_{"rq"};
  std::unique_ptr<runtime::ThreadPool> thread_;  // null until it is needed; ends first
};

}  // namespace call::rq
