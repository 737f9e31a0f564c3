// The roles of calld. Each builds its parts in order, serves until told to end, and takes them down
// in reverse. Main thread only.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "daemon/process.hpp"

namespace call::daemon {

Status run_api(Process& process);
/// `burst`: ends when the queues are empty.
Status run_worker(Process& process, bool burst);
Status run_media(Process& process);
Status run_sim(Process& process);

}  // namespace call::daemon
