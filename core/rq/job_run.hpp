// Inside core/rq: one claimed job, from its fields to its outcome. Knows nothing of queues.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "core/redis/connection.hpp"
#include "core/rq/crew.hpp"

namespace call::rq {

struct Callback {
  std::string name{};  ///< empty: none
  std::chrono::seconds timeout{60};
};

/// What the worker knows of a job when it starts it; every text is as somebody wrote it.
struct Assignment {
  Running job;
  std::string data{};
  std::size_t data_bytes = 0;  ///< more than data.size(): too large to be read
  std::string status{};        ///< before it was claimed
  Callback on_success{};
  Callback on_failure{};
  Callback on_stopped{};
};

/// Calls the function and the callback that its end asks for. `state.running` holds the job; when it
/// says `settled` afterwards, the outcome has no meaning any more. The connection is for the job's
/// meta.
Outcome run_job(Crew& crew, SlotState& state, redis::Connection& connection,
                const Assignment& assignment);

/// The on_failure of a job that was found abandoned, on a thread that nobody watches.
void run_failure_callback(Crew& crew, redis::Connection& connection, const Assignment& assignment,
                          const std::string& failure_text);

}  // namespace call::rq
