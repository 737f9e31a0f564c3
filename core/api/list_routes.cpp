#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "core/api/context.hpp"
#include "core/api/list_body.hpp"
#include "core/api/problem.hpp"
#include "core/api/views.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/store/import.hpp"
#include "core/store/lists.hpp"

namespace call::api {
namespace {

constexpr int kMaxLists = 1000;

Result<net::HttpResponse> create(Context& context, const Request& request,
                                 const store::Tenant& tenant) {
  CALL_TRY(const auto body, parse_list_body(request, context.options().default_region));
  CALL_TRY(auto connection, context.store());
  bool existed = false;
  std::int64_t id = 0;
  {
    CALL_TRY(auto import, store::Import::begin(*connection, tenant.id, body.list));
    existed = import.existed();
    if (!existed) {
      CALL_CHECK(import.add(body.entries.rows));
      CALL_CHECK(import.commit());
    }
    id = import.list().id;
  }
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, id));
  auto answer = view(summary);
  if (!existed) answer["refusals"] = view(body.entries.refused);
  auto response = json_answer(existed ? 200 : 201, answer);
  response.headers.set("Location", fmt::format("/v1/lists/{}", id));
  if (existed) response.headers.set("Idempotent-Replayed", "true");
  context.log().info("list {} of tenant {} {}", id, tenant.name,
                     existed ? "was made before with this key" : "created");
  return response;
}

Result<net::HttpResponse> list_all(Context& context, const Request& request,
                                   const store::Tenant& tenant) {
  int limit = 100;
  if (const auto* text = net::find_param(request.query, "limit")) {
    const auto number = parse_number<int>(*text);
    if (!number || *number < 1 || *number > kMaxLists)
      return Error{Errc::invalid_argument, "limit must be 1 to 1000"};
    limit = *number;
  }
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto summaries, store::list_summaries(*connection, tenant.id, limit));
  auto rows = Json::array();
  for (const auto& summary : summaries) rows.push_back(view(summary));
  return json_answer(200, {{"lists", rows}});
}

Result<net::HttpResponse> show(Context& context, const Request& request,
                               const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  return json_answer(200, view(summary));
}

using Change = Result<store::ListChange> (*)(store::Connection&, std::int64_t, std::int64_t);

/// The state and the job that it needs are one transaction; the job reaches Redis now or later.
Result<net::HttpResponse> change(Context& context, const Request& request,
                                 const store::Tenant& tenant, Change make) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto done, make(*connection, tenant.id, list.id));
  context.push(*connection, done.jobs);
  context.log().info("list {} of tenant {} {} {}", list.id, tenant.name,
                     done.changed ? "is now" : "was already", to_string(done.list.state));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  auto answer = view(summary);
  answer["changed"] = done.changed;
  return json_answer(200, answer);
}

}  // namespace

void add_list_routes(Router& router, Context& context) {
  const auto changes = [&context](Change make) {
    return authenticated(context,
                         [make](Context& own, const Request& request, const store::Tenant& tenant) {
                           return change(own, request, tenant, make);
                         });
  };
  router.add("POST", "/v1/lists", authenticated(context, create));
  router.add("GET", "/v1/lists", authenticated(context, list_all));
  router.add("GET", "/v1/lists/{id}", authenticated(context, show));
  router.add("POST", "/v1/lists/{id}/start", changes(store::start_list));
  router.add("POST", "/v1/lists/{id}/resume", changes(store::start_list));
  router.add("POST", "/v1/lists/{id}/pause", changes(store::pause_list));
  router.add("POST", "/v1/lists/{id}/cancel", changes(store::cancel_list));
}

}  // namespace call::api
