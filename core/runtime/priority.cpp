#include "core/runtime/priority.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace call::runtime {
namespace {

constexpr rlim_t kRealtimeLevel = 10;  // above the kernel's lowest, below interrupt threads (50)
constexpr int kNice = -10;

bool make_realtime() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_RTPRIO, &limit) != 0 || limit.rlim_cur == 0) return false;
  sched_param param{};
  param.sched_priority = static_cast<int>(std::min(limit.rlim_cur, kRealtimeLevel));
  return sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &param) == 0;
}

}  // namespace

Priority raise_this_thread() {
  if (make_realtime()) return Priority::realtime;
  sched_param param{};
  // The flag alone may always be set; without it a call's thread would inherit the nice value.
  sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &param);
  if (setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNice) == 0) return Priority::raised;
  return Priority::normal;
}

std::string_view to_string(Priority priority) {
  switch (priority) {
    case Priority::realtime:
      return "real-time";
    case Priority::raised:
      return "raised";
    case Priority::normal:
      return "normal";
  }
  return "?";
}

}  // namespace call::runtime
