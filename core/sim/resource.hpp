// The simulator's calls as JSON: Twilio's documents (fields, types and formats of its OpenAPI
// description) and the truth under /sim. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/http.hpp"
#include "core/sim/model.hpp"

namespace call::sim {

/// The Call resource.
std::string call_resource(const CallState& call, const std::string& account_sid);

/// The resource Events: the requests that the carrier made for the call.
std::string events_resource(const CallState& call, const std::string& account_sid);

struct Page {
  Calls calls;
  std::size_t page = 0;
  std::size_t page_size = 50;
  std::string first_uri;
  std::string this_uri;
  std::string next_uri;      ///< empty: last page
  std::string previous_uri;  ///< empty: first page
};
std::string page_resource(const Page& page, const std::string& account_sid);

/// Twilio's error document: {"code", "message", "more_info", "status"}.
net::HttpResponse error_response(int status, int code, std::string_view message);

/// One call under /sim/calls.
std::string truth_of_call(const CallState& call);
std::string truth_of_calls(const Calls& calls);
/// Totals under /sim/report.
std::string report(const Calls& calls, const ClockHealth& clock);

}  // namespace call::sim
