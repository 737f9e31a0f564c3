// Inside core/local: a process between us and a child that ends everything the child has started.
//
// A program that calls setsid(), or forks twice as daemons do, leaves its process group, but not its
// ancestors: an orphan goes to the nearest "subreaper" above it, and that is the guard. It ends as
// the program ended, so who waits for it learns the same.
#pragma once

#include <sys/types.h>

#include <csignal>

namespace call::local {

/// Tells a guard to kill everything at once. Other signals go on to the program's process group.
inline constexpr int kGuardKills = SIGUSR1;

/// Called in a forked child, which becomes the guard and never returns. Returns in a new process,
/// the program's: the guard's pid, its parent; or -1 (errno) when there can be no guard. All signals
/// are blocked then. `parent` is who forked: when it dies, the guard kills everything.
pid_t fork_behind_guard(pid_t parent);

}  // namespace call::local
