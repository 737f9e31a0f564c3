#include "core/base/uptime.hpp"

#include <time.h>

#include "core/base/assert.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/strings.hpp"

namespace call {

Uptime uptime() {
  // Where the kernel does not say, the process is a machine of its own.
  static const std::string boot = [] {
    const auto id = read_file("/proc/sys/kernel/random/boot_id", 100);
    return id ? std::string(trim(*id)) : random_uuid();
  }();
  timespec now{};
  CALL_ASSERT(::clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return {boot, std::chrono::floor<std::chrono::milliseconds>(
                    std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec))};
}

}  // namespace call
