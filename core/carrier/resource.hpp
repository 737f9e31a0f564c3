// The carrier's JSON answers as structs. Internal to core/carrier. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/carrier/call.hpp"

namespace call::carrier {

/// {"code": 21211, "message": "...", "more_info": "...", "status": 400}
struct ErrorBody {
  int code = 0;
  std::string message;
};
/// nullopt when the body is not the carrier's own error document, e.g. a proxy's page.
std::optional<ErrorBody> parse_error_body(std::string_view body);

/// Errc::protocol when it is not a Call resource with a proper SID and a known status.
Result<Call> parse_call(std::string_view body);

/// The request addresses of the resource Events.
Result<std::vector<std::string>> parse_event_urls(std::string_view body);

struct CallPage {
  std::vector<Call> calls;
  std::string next_page_uri;  ///< a path with query, or empty on the last page
};
Result<CallPage> parse_call_page(std::string_view body);

}  // namespace call::carrier
