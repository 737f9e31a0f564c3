// Inside core/rq: one claimed job, from its fields to its outcome. Knows nothing of queues.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/redis/connection.hpp"
#include "core/rq/crew.hpp"

namespace call::rq {

/// What the worker knows of a job when it starts it; every text is as somebody wrote it.
struct Assignment {
  Running job;
  std::string data{};
  std::size_t data_bytes = 0;  ///< more than data.size(): too large to be read
  std::string status{};        ///< before it was claimed
  Callback on_success{};
};

/// Calls the function and the callback that its end asks for. `state.running` holds the job; when it
/// says `settled` afterwards, the outcome has no meaning any more. The connection is for the job's
/// meta.
Outcome run_job(Crew& crew, SlotState& state, redis::Connection& connection,
                const Assignment& assignment);

/// The callback for this end ("failed" or "stopped") of a job whose own thread cannot call it: its
/// worker is dead, or its function does not return. On the hooks' thread, since it may take long.
void call_back_aside(Crew& crew, const Running& job, std::string_view end,
                     std::string failure_text);

}  // namespace call::rq
