// Telling the service manager how we are, by the protocol of sd_notify(3): one datagram to
// $NOTIFY_SOCKET. Without that variable nothing happens.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace call::daemon {

/// "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1", several separated by newlines. Never
/// blocks, never fails.
void notify(std::string_view state);

/// How often WATCHDOG=1 is due: half of what $WATCHDOG_USEC allows; nullopt: nobody watches.
std::optional<std::chrono::milliseconds> watchdog_interval();

}  // namespace call::daemon
