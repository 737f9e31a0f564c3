#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "core/api/context.hpp"
#include "core/api/list_body.hpp"
#include "core/api/problem.hpp"
#include "core/api/views.hpp"
#include "core/base/crash_point.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/store/hang_up.hpp"
#include "core/store/import.hpp"
#include "core/store/lists.hpp"

namespace call::api {
namespace {

constexpr int kMaxLists = 1000;

Result<net::HttpResponse> create(Context& context, const Request& request,
                                 const store::Tenant& tenant) {
  CALL_TRY(auto body, parse_list_body(request, context.options().default_region));
  CALL_TRY(auto connection, context.store());
  bool existed = false;
  std::int64_t id = 0;
  {
    CALL_TRY(auto import, store::Import::begin(*connection, tenant.id, body.list));
    existed = import.existed();
    if (!existed) {
      CALL_TRY(const auto refused, import.add(body.entries.rows));
      for (const auto& row : refused)
        body.entries.refused.push_back({row.seq, row.phone_raw, row.reason, row.detail});
      if (body.entries.strict && !body.entries.refused.empty())
        return strict_error(body.entries.refused);
      CALL_CHECK(import.commit());
    }
    id = import.list().id;
  }
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, id));
  auto answer = view(summary);
  if (!existed) {
    answer["refused"] = body.entries.refused.size();
    answer["refusals"] = view(body.entries.refused);
    const auto curtailed = curtailments_of(body.entries.rows, body.entries.refused);
    answer["curtailed"] = curtailed.size();
    answer["curtailments"] = view(curtailed);
  }
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
  std::optional<std::int64_t> before;
  if (const auto* text = net::find_param(request.query, "cursor")) {
    before = parse_number<std::int64_t>(*text);
    if (!before)
      return Error{Errc::invalid_argument, "cursor must be the next_cursor of the page before"};
  }
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto summaries,
           store::list_summaries(*connection, tenant.id, limit, store::ListOrder::newest, before));
  auto rows = Json::array();
  for (const auto& summary : summaries) rows.push_back(view(summary));
  const bool more = summaries.size() == static_cast<std::size_t>(limit);
  return json_answer(
      200, {{"lists", rows}, {"next_cursor", more ? Json(summaries.back().list.id) : Json()}});
}

Result<net::HttpResponse> show(Context& context, const Request& request,
                               const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  return json_answer(200, view(summary));
}

using Change = Result<store::ListChange> (*)(store::Connection&, std::int64_t, std::int64_t);

/// {"at": TIME} in the body of a start, or nothing.
Result<std::optional<WallTime>> start_time(const Request& request) {
  if (trim(request.http.body).empty()) return std::optional<WallTime>();
  CALL_TRY(const auto body, json::parse(request.http.body, {}, "the body"));
  CALL_TRY(const auto text, json::get_string_or(body, "at", ""));
  if (text.empty()) return std::optional<WallTime>();
  const auto at = parse_rfc3339(text);
  if (!at) return Error{Errc::invalid_argument, "at must be a time such as 2026-12-01T08:00:00Z"};
  return at;
}

/// ?hang_up=true, which is for those that end or pause a list.
Result<bool> wants_hang_up(const Request& request, Change make) {
  const bool wanted = net::param_or_empty(request.query, "hang_up") == "true";
  const Change pause = store::pause_list;
  const Change cancel = store::cancel_list;
  if (wanted && make != pause && make != cancel)
    return Error{Errc::invalid_argument, "hang_up goes with pause and cancel"};
  return wanted;
}

/// The state and the job that it needs are one transaction; the job reaches Redis now or later.
Result<net::HttpResponse> change(Context& context, const Request& request,
                                 const store::Tenant& tenant, Change make) {
  CALL_TRY(const bool hang_up, wants_hang_up(request, make));
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto done, make(*connection, tenant.id, list.id));
  CALL_CRASH_POINT("list.changed", list.name);
  context.push(*connection, done.jobs);
  if (hang_up) {
    CALL_TRY(const auto ends, store::hang_up_calls(*connection, tenant.id, list.id));
    context.push(*connection, ends);
  }
  context.log().info("list {} of tenant {} {} {}", list.id, tenant.name,
                     done.changed ? "is now" : "was already", to_string(done.list.state));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  auto answer = view(summary);
  answer["changed"] = done.changed;
  return json_answer(200, answer);
}

Result<net::HttpResponse> start(Context& context, const Request& request,
                                const store::Tenant& tenant) {
  CALL_TRY(const auto at, start_time(request));
  if (!at) return change(context, request, tenant, store::start_list);
  CALL_CHECK(wants_hang_up(request, store::start_list));
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto done, store::schedule_list(*connection, tenant.id, list.id, *at));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  auto answer = view(summary);
  answer["changed"] = done.changed;
  return json_answer(200, answer);
}

/// {"policy", "priority", "concurrency"}, each optional.
Result<net::HttpResponse> update(Context& context, const Request& request,
                                 const store::Tenant& tenant) {
  CALL_TRY(const auto body, json::parse(request.http.body, {}, "the body"));
  if (!body.is_object()) return Error{Errc::invalid_argument, "the body must be a JSON object"};
  store::ListUpdate update;
  for (const auto& item : body.items()) {
    if (item.key() == "policy") {
      CALL_TRY(update.policy, json::get_string(body, "policy"));
    } else if (item.key() == "priority" || item.key() == "concurrency") {
      CALL_TRY(const auto value, json::get_int(body, item.key()));
      const auto small = static_cast<int>(std::clamp<std::int64_t>(value, -100'000, 100'000));
      (item.key() == "priority" ? update.priority : update.concurrency) = small;
    } else {
      return Error{Errc::invalid_argument, fmt::format("\"{}\" cannot be changed", item.key())};
    }
  }
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  CALL_CHECK(store::update_list(*connection, tenant.id, list.id, update));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  return json_answer(200, view(summary));
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
  router.add("PATCH", "/v1/lists/{id}", authenticated(context, update));
  router.add("POST", "/v1/lists/{id}/start", authenticated(context, start));
  router.add("POST", "/v1/lists/{id}/resume", changes(store::resume_list));
  router.add("POST", "/v1/lists/{id}/pause", changes(store::pause_list));
  router.add("POST", "/v1/lists/{id}/cancel", changes(store::cancel_list));
}

}  // namespace call::api
