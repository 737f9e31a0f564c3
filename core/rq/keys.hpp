// The names of RQ's keys that C++ code uses; the scripts spell theirs out.
#pragma once

#include <string>
#include <string_view>

namespace call::rq::keys {

inline std::string join(std::string_view prefix, std::string_view name) {
  return std::string(prefix).append(name);
}

inline constexpr std::string_view kQueues = "rq:queues";    ///< set of full queue keys
inline constexpr std::string_view kWorkers = "rq:workers";  ///< set of full worker keys
inline constexpr std::string_view kSuspended = "rq:suspended";
inline constexpr std::string_view kQueuePrefix = "rq:queue:";
inline constexpr std::string_view kWorkerPrefix = "rq:worker:";

inline std::string queue(std::string_view name) {
  return join(kQueuePrefix, name);
}
inline std::string worker(std::string_view name) {
  return join(kWorkerPrefix, name);
}
inline std::string queue_workers(std::string_view queue) {
  return join("rq:workers:", queue);
}
inline std::string executions(std::string_view worker) {
  return join(kWorkerPrefix, worker).append(":executions");
}
inline std::string channel(std::string_view worker) {
  return join("rq:pubsub:", worker);
}
inline std::string job(std::string_view id) {
  return join("rq:job:", id);
}
inline std::string results(std::string_view id) {
  return join("rq:results:", id);
}
/// `registry`: wip, finished, failed, deferred, scheduled, canceled.
inline std::string registry(std::string_view registry, std::string_view queue) {
  return join("rq:", registry).append(":").append(queue);
}

}  // namespace call::rq::keys
