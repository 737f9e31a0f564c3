// How persistently a webhook is delivered: Twilio's connection overrides, written behind the URL as
// "#rc=5&rp=5xx,ct,rt&tt=10000". Pure.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace call::sim {

enum class HookFailure { connect, read, client_error, server_error };

struct HookPolicy {
  int retries = 1;         ///< rc, 0 to 5
  bool on_connect = true;  ///< rp: ct (the default), rt, 4xx, 5xx or all
  bool on_read = false;
  bool on_4xx = false;
  bool on_5xx = false;
  std::chrono::milliseconds total{15000};  ///< tt, of all attempts together; 15000 at most

  bool covers(HookFailure failure) const;
};

/// Parameters that are unknown or out of range are passed over.
HookPolicy parse_hook_policy(std::string_view url);
/// The URL that is requested and signed.
std::string_view without_fragment(std::string_view url);

}  // namespace call::sim
