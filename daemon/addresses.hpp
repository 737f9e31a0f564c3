// The four addresses of one `calld up`.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/config/config.hpp"

namespace call::daemon {

/// carrier.base_url of `calld up` unless somebody sets another: the simulator, wherever it listens.
inline constexpr std::string_view kSimulatorUrl = "http://127.0.0.1:8082";

/// Makes sure that each role's address is free, replaces port 0 (all ports with `free_ports`) by
/// one that is, and lets the URLs that still have their default follow the addresses.
/// Errc::conflict names the busy address and how to choose another.
Status settle_addresses(config::Config& config, bool free_ports);

/// "http://HOST:PORT", with 127.0.0.1 for an address that means every interface.
std::string url_of(std::string_view scheme, const config::Listen& listen);

}  // namespace call::daemon
