// Bodies of the API that bring a list or entries, JSON and CSV. Every row that came in is there, accepted or refused.
#include <nlohmann/json.hpp>

#include "core/api/list_body.hpp"
#include "core/base/assert.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace call::fuzz {
namespace {

void read(std::string_view body, std::string_view type, const net::Params& query) {
  net::HttpRequest http;
  http.method = "POST";
  http.headers.set("Content-Type", std::string(type));
  http.body = body;
  const api::Request request{http, {}, query};
  const auto refused = [](const api::Entries& entries) {
    std::size_t count = 0;
    for (const auto& row : entries.rows) {
      CALL_ASSERT(row.phone.has_value() || !row.refused.empty());
      if (!row.refused.empty()) ++count;
    }
    return count;
  };
  if (const auto list = api::parse_list_body(request, "US"))
    CALL_ASSERT(refused(list->entries) == list->entries.refused.size());
  if (const auto entries = api::parse_entries_body(request, "US"))
    CALL_ASSERT(refused(entries->entries) == entries->entries.refused.size());
}

}  // namespace

std::vector<std::string> seeds() {
  return {R"({"name":"spring","from":"+14155559999","region":"US","concurrency":7,"strict":false,)"
          R"("calls_per_second":2.5,"ring_timeout_s":20,"time_limit_s":60,"max_attempts":3,)"
          R"("retry_after_s":60,"amd":"async","on_machine":"talk","unique":"open","priority":-3,)"
          R"("agent":"survey","policy":"p","entries":[{"phone":"+14155550123","name":"Dana",)"
          R"("variables":{"city":"Haifa","n":1.5,"ok":true},"not_after":"2030-01-01T00:00:00Z",)"
          R"("timezone":"Asia/Jerusalem","priority":2},{"phone":"12"},{}]})",
          R"({"entries":[{"phone":"(415) 555-0123"},{"phone":14155550123},null]})",
          "phone,name,not_after,city\r\n+12025550143,\"Doe, J\",2030-01-01T00:00:00Z,x\r\n12,,,\n"};
}

void feed(std::string_view input) {
  read(input, "application/json", {});
  read(input, "text/csv", {{"name", "spring"}, {"from", "+14155559999"}});
  read("phone\n+12025550143\n", "text/csv",
       {{"name", std::string(input)}, {"priority", std::string(input)}});
}

}  // namespace call::fuzz
