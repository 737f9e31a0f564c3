// What one attempt's call is told to do: its webhook addresses, its TwiML and its create request, all
// made here, so that the dialer (inline TwiML) and the API (answer webhook) say the same. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/secret.hpp"
#include "core/carrier/carrier.hpp"
#include "core/store/dialing.hpp"
#include "core/store/events.hpp"
#include "core/store/lists.hpp"

namespace call::dialer {

/// As the carrier reaches us; without a trailing slash.
struct PublicUrls {
  std::string api;    ///< https://calls.example.com
  std::string media;  ///< wss://media.example.com
};

enum class Hook { answer, status, amd, stream, stream_ended };
std::string_view to_string(Hook hook);  ///< the word in the address: "stream-ended"

/// {api}/twilio/{hook}/{token}: what the carrier signs.
std::string hook_url(const PublicUrls& urls, Hook hook, std::string_view token);
/// The address with Twilio's connection overrides as a fragment: five more tries after a failed
/// connection, a time-out or a 5xx answer (the default is one, after a failed connection only), so
/// that a restart of the API loses no report. Twilio and the simulator cut the fragment off.
std::string with_retries(std::string url);

/// An attempt, from whichever side it is looked at.
struct CallPlan {
  std::string attempt_id;
  std::string token;
  std::string tenant;
  std::string agent;
  std::int64_t list_id = 0;
  std::int64_t entry_id = 0;
  std::string name;            ///< of the callee, may be empty
  std::string variables_json;  ///< an object of strings
};
CallPlan plan_of(const store::List& list, const store::Claim& claim);
CallPlan plan_of(const store::CallContext& context);

/// Connects the call to the media server. `media_key` signs the one-time token, good until
/// `expiry`. What exceeds TwiML's limits for parameters is left out, see left_out().
std::string twiml_of(const CallPlan& plan, const PublicUrls& urls, const Secret& media_key,
                     WallTime expiry);
/// Of a callee's name and variables: which a call does not carry, since a name and its value have 500 bytes or more (of
/// "name" the beginning is carried), or since there are too many of them.
std::vector<std::string> left_out(std::string_view callee, const std::string& variables_json);
/// For a call that must not exist.
std::string hangup_twiml();
/// For a call that a machine seems to have taken.
std::string farewell_twiml(std::string_view text);

/// The TwiML goes inline when it fits, so that answering costs no round trip; else, and when the
/// list waits for the verdict of machine detection, the carrier fetches it from the answer address.
carrier::CreateCall request_of(const store::List& list, const store::Claim& claim,
                               const PublicUrls& urls, std::string twiml);

}  // namespace call::dialer
