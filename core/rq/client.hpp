// Putting jobs into RQ queues, readable by Python's rq 1.13 to 3.x and by our Worker.
#pragma once

#include <chrono>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/redis/connection.hpp"
#include "core/rq/payload.hpp"

namespace call::metrics {
class Registry;
}

namespace call::rq {

struct EnqueueOptions {
  /// Empty: a random UUID. Else 1 to 128 of [A-Za-z0-9_-] (newer RQ workers quit over others).
  std::string job_id{};
  /// True: nothing happens when a job of this id exists, whatever its state (finished jobs exist
  /// until their result_ttl is over). False: an existing job of this id is overwritten.
  bool unique = false;
  bool at_front = false;
  std::optional<WallTime> at{};          ///< due time: the job waits in rq:scheduled:QUEUE
  std::chrono::seconds timeout{180};     ///< run time limit; -1: none
  std::chrono::seconds result_ttl{500};  ///< 0: nothing is kept; -1: kept for ever
  std::chrono::seconds failure_ttl{31536000};
  std::optional<std::chrono::seconds> ttl{};            ///< dropped when not started by then
  int retries = 0;                                      ///< runs again so often after failures
  std::vector<std::chrono::seconds> retry_intervals{};  ///< the last one repeats; empty: at once
  std::string description{};                            ///< empty: made from function and arguments

  bool front_on_retry = false;  ///< retries without an interval go to the front of the queue
  int repeats = 0;              ///< after a success it runs again so often
  std::vector<std::chrono::seconds> repeat_intervals{};  ///< as Python's rq: used from the end
  /// Ids of jobs that must have finished before. A job that does not exist counts as finished. Not
  /// together with `at`: RQ's schedulers ignore dependencies.
  std::vector<std::string> depends_on{};
  bool allow_dependency_failures = false;  ///< failed ones count as finished, too
  std::string group{};                     ///< of RQ 2; empty: none
  /// Dotted Python names, or functions of a calld worker; empty: none.
  std::string on_success{};
  std::string on_failure{};
  std::string on_stopped{};
  std::chrono::seconds callback_timeout{60};
  std::string meta_json{};                     ///< an object as JSON text; empty: none
  Serializer serializer = Serializer::pickle;  ///< json: for workers with RQ's JSONSerializer
};

struct Enqueued {
  std::string job_id{};
  bool created = true;  ///< false: unique was asked and the job exists
};

/// Belongs to one thread and owns its connection, which it opens when needed.
class Client {
 public:
  explicit Client(redis::Endpoint endpoint);
  /// Counts calld_rq_jobs_enqueued_total. The registry outlives the client.
  Client(redis::Endpoint endpoint, metrics::Registry& metrics);

  /// Puts one job into the queue. `args` is an array of plain values, `kwargs` an object.
  /// Errc::unavailable: nothing was sent. Errc::closed and Errc::timeout: it may have been
  /// enqueued; asking again is safe with a unique job_id. Errc::conflict: a job of this id is
  /// running and would be overwritten.
  Result<Enqueued> enqueue(std::string_view queue, std::string_view function,
                           const nlohmann::json& args, const EnqueueOptions& options,
                           Deadline deadline);
  Result<Enqueued> enqueue(std::string_view queue, std::string_view function,
                           const nlohmann::json& args, const nlohmann::json& kwargs,
                           const EnqueueOptions& options, Deadline deadline);

  /// For reads (reads.hpp) on the same connection; connected on success.
  Result<redis::Connection*> connection(Deadline deadline);

 private:
  redis::Connection connection_;
  metrics::Registry* metrics_ = nullptr;
};

}  // namespace call::rq
