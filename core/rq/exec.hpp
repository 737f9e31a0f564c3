// Any program as a job function: "exec:/path/to/program word word".
//
// It gets {"job_id", "queue", "function", "args", "kwargs"} as JSON on standard input, and short plain
// arguments as CALLD_ARG_1, ... and CALLD_KWARG_name. Exit status 0
// is success and its standard output the result: JSON, or the text itself when it is none. Anything
// else is a failure with the end of its standard error as text. It runs behind a guard (core/local),
// without our environment (PATH, HOME, LANG and the like remain, CALLD_JOB_ID and CALLD_QUEUE are
// added), in the directory "/". All that it started has ended when the function returns.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "core/base/result.hpp"
#include "core/rq/registry.hpp"

namespace call::rq {

struct ExecLimits {
  std::uint64_t memory_bytes = 1U << 30;  ///< address space of each process; 0: no limit
  std::chrono::seconds cpu{0};          ///< CPU time of each process; 0: only the job's time limit
  std::size_t output_bytes = 1U << 20;  ///< more on standard output kills it
  /// From SIGTERM to its group to SIGKILL to all, when its time is over or it is to stop.
  std::chrono::milliseconds kill_after{1000};
};

/// True for "exec:...".
bool is_exec(std::string_view target);

/// Errc::invalid_argument, Errc::not_found or Errc::permission when there is no such program. The
/// function blocks its slot while the program runs.
Result<Function> exec_function(std::string_view target, const ExecLimits& limits);

}  // namespace call::rq
