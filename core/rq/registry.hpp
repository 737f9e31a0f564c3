// The functions that a worker knows by name, and what a running one is given.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/log/log.hpp"

namespace call::rq {

/// What a Python function says by returning rq.Retry: run the job again, not more than `most` times.
struct Retry {
  int most = 1;
  std::vector<std::chrono::seconds> intervals{};  ///< the last one repeats; empty: at once
  bool at_front = false;
};

/// One run of one job, on the slot thread that runs it. References are good until the function
/// returns.
struct JobContext {
  std::string job_id;
  std::string queue;
  std::string function;          ///< the name as enqueued, before aliases
  std::string worker;            ///< the slot's RQ worker name
  const nlohmann::json& args;    ///< array
  const nlohmann::json& kwargs;  ///< object
  Deadline deadline;             ///< the job's time limit; never() when it has none
  /// Asked for when the time limit passed, the job was stopped by an operator, or the worker must
  /// end now. A function that can run for longer than a second watches it and returns
  /// Errc::cancelled; the worker knows why it asked and settles the job accordingly.
  std::stop_token stop;
  /// True once the worker drains: a function that can continue later returns Errc::cancelled at a
  /// good point, and its job goes back to the front of its queue.
  const std::atomic<bool>& draining;
  log::Logger log;  ///< with the job's id and function bound

  /// Set before returning any value: the job runs again instead of having ended.
  std::optional<Retry> retry{};
  /// job.meta[key] = value, written at once so that Python and people see it (progress). Other keys
  /// keep what they hold. A few round trips; on the function's own thread only. Errc::not_found
  /// when the job was deleted meanwhile.
  std::function<Status(std::string_view key, const nlohmann::json& value)> set_meta{};
};

/// Returns the job's result, or an Error that becomes the failure text (of several lines the last
/// one is the reason, the others go above it). Exceptions are failures, too. Several slots may be in
/// the same function at once.
///
/// A job's callbacks are functions as well. Python names them by dotted paths, like jobs; they are
/// called with (job id, "finished" | "failed" | "stopped", result or failure text).
using Function = std::function<Result<nlohmann::json>(JobContext&)>;

/// Filled before the worker starts, then only read.
class Registry {
 public:
  /// A name given twice is a programmer error.
  void add(std::string name, Function function);
  /// `name` runs what `target` runs; `target` must be there already, `name` must not.
  Status alias(std::string name, std::string_view target);
  const Function* find(std::string_view name) const;
  std::vector<std::string> names() const;  ///< sorted, aliases too

 private:
  std::map<std::string, Function, std::less<>> functions_;
};

/// calld.noop(*args): returns its arguments.
Result<nlohmann::json> noop(JobContext& context);

}  // namespace call::rq
