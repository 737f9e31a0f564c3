// A worker for RQ queues that Python's tools see as RQ workers, one for each slot.
//
// Threads: one for each slot ("job-N", runs the functions), "rq-beat" (heartbeats and time
// limits), "rq-listen" (stop and shutdown commands, and the wait for new jobs), "rq-keep"
// (scheduled jobs, abandoned jobs). Each has its own connection.
//
// A job taken is never lost: taking it from the queue and writing it into the started registry is
// one step inside Redis, and so is every way it can end. When the worker dies, its jobs are found
// by any worker's "rq-keep" (or by Python's maintenance) once their lease is over.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/redis/endpoint.hpp"
#include "core/rq/exec.hpp"
#include "core/rq/registry.hpp"
#include "core/runtime/pulse.hpp"

namespace call::metrics {
class Registry;
}

namespace call::rq {

/// How jobs are written into rq:wip:QUEUE. Composite is what RQ 2 writes; RQ 1 would lose such a
/// job in its clean-up, so `automatic` changes to bare while a 1.x worker is registered.
enum class WipEntry { automatic, composite, bare };

struct WorkerOptions {
  redis::Endpoint redis;
  std::vector<std::string> queues = {"default"};  ///< earlier ones first
  /// One of them whose jobs take long, or empty. With several slots and queues the last slot never
  /// takes its jobs, and a slot that did takes one of the others' first: so the queues behind it are
  /// worked, however many of its jobs there are.
  std::string long_queue;
  int concurrency = 1;  ///< slots, 1 to 256
  bool burst = false;   ///< end when the queues are empty
  std::string name;  ///< empty: HOST.PID; slots are NAME.1 ... (NAME itself when there is one slot)
  /// Name as enqueued -> registered function, or "exec:/path/to/program word ...".
  std::map<std::string, std::string> aliases;
  ExecLimits exec;
  bool scheduler = true;  ///< move due jobs from rq:scheduled:* to the queues
  WipEntry wip_entry = WipEntry::automatic;
  /// A job whose on_success this worker does not know: true fails it, as in Python; false ends it
  /// as though it had none. Unknown other callbacks are noted in the failure text.
  bool unknown_callbacks_fail = true;
  bool webhooks = true;  ///< send the webhooks of jobs that have some (RQ 2.10 and later)

  std::chrono::seconds default_timeout{180};  ///< for jobs that state none
  std::chrono::seconds default_result_ttl{500};
  std::chrono::milliseconds heartbeat_every{5000};
  std::chrono::seconds lease{20};       ///< a job whose worker is silent so long is abandoned
  std::chrono::seconds worker_ttl{90};  ///< a silent worker disappears from `rq info` after this
  std::chrono::milliseconds maintain_every{8000};  ///< so it is found within 30 s
  std::chrono::milliseconds drain_grace{20000};    ///< request_stop() to stop requests to jobs
  /// Stop requests (time limit, drain) to giving the function up: its job is settled without it.
  std::chrono::milliseconds overrun_grace{5000};

  metrics::Registry* metrics = nullptr;  ///< may be null; outlives the worker
  runtime::Pulses* pulses = nullptr;     ///< of the heartbeats' thread; may be null
};

/// A snapshot for health checks and `top`.
struct WorkerStatus {
  bool redis_reachable = false;
  int slots = 0;
  int busy = 0;
  bool draining = false;
};

class Worker {
 public:
  /// `registry` is copied; aliases of the options are added to it by run().
  Worker(WorkerOptions options, Registry registry);
  ~Worker();

  /// Works until request_stop(), a shutdown command, or (burst) empty queues. Blocks. Redis being
  /// away is waited out, at the start, too, never a reason to return (burst: it is).
  /// Errc::invalid_argument: bad options. Errc::conflict: a live worker has this name.
  ///
  /// A function that ignores its stop request beyond overrun_grace cannot be ended within a
  /// process: its job is given back, then the process exits with status 1 after a log line.
  Status run();

  /// Thread-safe, any number of times. The first drains: no new jobs, running ones may finish
  /// within drain_grace, then are asked to stop and given back. The second asks them at once.
  void request_stop();

  /// Thread-safe.
  WorkerStatus status() const;
  std::vector<std::string> names() const;  ///< the slots' RQ worker names

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::rq
