#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "core/api/context.hpp"
#include "core/api/list_body.hpp"
#include "core/api/views.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/store/entries.hpp"
#include "core/store/import.hpp"
#include "core/store/lists.hpp"

namespace call::api {
namespace {

constexpr int kPage = 100;
constexpr int kLargestPage = 1000;

Error bad(std::string_view name, std::string_view wanted) {
  return {Errc::invalid_argument, std::string(name) + " must be " + std::string(wanted)};
}

/// ?state=&outcome=&limit=&cursor=
Result<store::EntryFilter> filter_of(const net::Params& query) {
  store::EntryFilter filter;
  filter.limit = kPage;
  for (const auto& [name, value] : query) {
    if (name == "state") {
      filter.state = store::parse_entry_state(value);
      if (!filter.state) return bad(name, "an entry state, e.g. pending or done");
    } else if (name == "outcome") {
      filter.outcome = store::parse_outcome(value);
      if (!filter.outcome) return bad(name, "an outcome, e.g. completed or refused");
    } else if (name == "limit") {
      const auto limit = parse_number<int>(value);
      if (!limit || *limit < 1 || *limit > kLargestPage) return bad(name, "1 to 1000");
      filter.limit = *limit;
    } else if (name == "cursor") {
      const auto seq = parse_number<std::int64_t>(value);
      if (!seq) return bad(name, "the next_cursor of the page before");
      filter.after_seq = *seq;
    } else {
      return Error{Errc::invalid_argument, "\"" + name + "\" is no filter"};
    }
  }
  return filter;
}

Result<net::HttpResponse> page(Context& context, const Request& request,
                               const store::Tenant& tenant) {
  CALL_TRY(const auto filter, filter_of(request.query));
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto found, store::entries(*connection, tenant.id, list.id, filter));
  Json rows = Json::array();
  for (const auto& entry : found) rows.push_back(view(entry));
  const bool more = found.size() == static_cast<std::size_t>(filter.limit);
  return json_answer(200,
                     {{"entries", rows}, {"next_cursor", more ? Json(found.back().seq) : Json()}});
}

/// The rows that came refused, and those that the store refused, by their place in the list.
std::vector<Refusal> refusals_of(const EntriesBody& body, const store::Appended& appended) {
  std::vector<Refusal> out;
  std::int64_t seq = appended.first_seq;
  for (const auto& row : body.entries.rows) {
    if (!row.refused.empty()) out.push_back({seq, row.phone_raw, row.refused, ""});
    ++seq;
  }
  for (const auto& row : appended.refused)
    out.push_back({row.seq, row.phone_raw, row.reason, row.detail});
  std::ranges::sort(out, {}, &Refusal::seq);
  return out;
}

/// What came before with the same number is in the list already; the store refuses it then.
Result<net::HttpResponse> append(Context& context, const Request& request,
                                 const store::Tenant& tenant) {
  CALL_TRY(const auto body, parse_entries_body(request, context.options().default_region));
  if (body.entries.rows.empty()) return Error{Errc::invalid_argument, "\"entries\" is empty"};
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, request.captures.front()));
  const store::AppendRules rules{body.unique, body.entries.strict, false};
  CALL_TRY(const auto appended,
           store::append_entries(*connection, tenant.id, list.id, body.entries.rows, rules));
  const auto refused = refusals_of(body, appended);
  if (!appended.written) return strict_error(refused);
  auto rows = view(refused);
  for (auto& row : rows) row.erase("detail");
  const auto curtailed = curtailments_of(body.entries.rows, refused, appended.first_seq);
  return json_answer(201, {{"first_seq", appended.first_seq},
                           {"added", appended.added},
                           {"refused", refused.size()},
                           {"refusals", rows},
                           {"curtailed", curtailed.size()},
                           {"curtailments", view(curtailed)}});
}

}  // namespace

void add_entry_routes(Router& router, Context& context) {
  router.add("GET", "/v1/lists/{id}/entries", authenticated(context, page));
  router.add("POST", "/v1/lists/{id}/entries", authenticated(context, append));
}

}  // namespace call::api
