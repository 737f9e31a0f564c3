#include "core/runtime/realtime.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>

namespace call::runtime {

bool make_this_thread_realtime() {
  constexpr int kPriority = 10;  // above the kernel's lowest, below interrupt threads (50)
  rlimit limit{};
  if (::getrlimit(RLIMIT_RTPRIO, &limit) != 0 || limit.rlim_cur == 0) return false;
  sched_param parameter{};
  parameter.sched_priority = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, kPriority));
  return ::pthread_setschedparam(::pthread_self(), SCHED_RR, &parameter) == 0;
}

}  // namespace call::runtime
