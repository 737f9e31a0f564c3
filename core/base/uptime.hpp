// The time that nobody sets: how long this machine has run. For spans that must outlive a process, where
// its steady clock's points mean nothing to the next one; on another machine, or after a restart, they
// mean nothing either, which `boot` tells.
#pragma once

#include <chrono>
#include <string>

namespace call {

struct Uptime {
  std::string boot;                   ///< of this run of the machine; another one's is different
  std::chrono::milliseconds span{0};  ///< since it began, sleep included
};
Uptime uptime();

}  // namespace call
