#include <nlohmann/json.hpp>

#include "core/api/context.hpp"
#include "core/api/views.hpp"
#include "core/json/json.hpp"
#include "core/store/entries.hpp"
#include "core/store/records.hpp"

namespace call::api {
namespace {

/// The attempt, its events in the order received and its record (null until it was filed).
Result<net::HttpResponse> show(Context& context, const Request& request,
                               const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto attempt,
           store::find_attempt(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto events, store::events_of_attempt(*connection, tenant.id, attempt.id));
  auto answer = view(attempt);
  auto& rows = answer["events"] = Json::array();
  for (const auto& event : events) rows.push_back(view(event));
  answer["record"] = nullptr;
  const auto record = store::find_call_record(*connection, tenant.id, attempt.id);
  if (!record && record.error().code != Errc::not_found) return record.error();
  if (record) {
    CALL_TRY(answer["record"], json::parse(record->record.record_json, {}, "the call record"));
  }
  return json_answer(200, answer);
}

}  // namespace

void add_call_routes(Router& router, Context& context) {
  router.add("GET", "/v1/calls/{sid}", authenticated(context, show));
}

}  // namespace call::api
