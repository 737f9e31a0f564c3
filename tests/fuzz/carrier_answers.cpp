// What the carrier's REST API answers, each parser with each text. A call that is believed has a proper SID.
#include "core/base/assert.hpp"
#include "core/carrier/resource.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {
namespace {

constexpr std::string_view kCall =
    R"({"sid":"CA0123456789abcdef0123456789abcdef","status":"in-progress","to":"+12025550143",)"
    R"("from":"+15005550006","date_created":"Tue, 02 Jan 2026 03:04:05 +0000","start_time":null,)"
    R"("end_time":"Tue, 02 Jan 2026 03:05:05 +0000","duration":"60","queue_time":"1000",)"
    R"("answered_by":"machine_end_beep"})";

}  // namespace

std::vector<std::string> seeds() {
  const std::string call(kCall);
  return {
      call,
      R"({"calls":[)" + call + "," + call +
          R"(],"next_page_uri":"/2010-04-01/Accounts/AC1/Calls.json?Page=1","page_size":50})",
      R"({"calls":[],"next_page_uri":null})",
      R"({"code":21211,"message":"The 'To' number is not valid.","more_info":"https://x","status":400})",
      R"({"events":[{"request":{"url":"https://calls.example.com/twilio/status/t","method":"POST",)"
      R"("parameters":{}},"response":{"response_code":200}},{"request":{"url":null}}]})"};
}

void feed(std::string_view input) {
  static_cast<void>(carrier::parse_error_body(input));
  static_cast<void>(carrier::parse_event_urls(input));
  if (const auto call = carrier::parse_call(input)) CALL_ASSERT(carrier::is_call_sid(call->sid));
  if (const auto page = carrier::parse_call_page(input))
    for (const auto& call : page->calls) CALL_ASSERT(carrier::is_call_sid(call.sid));
}

}  // namespace call::fuzz
