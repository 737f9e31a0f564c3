// Do-not-call rules, calling policies, and why an entry is or is not called.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/api/context.hpp"
#include "core/api/views.hpp"
#include "core/base/strings.hpp"
#include "core/contacts/phone.hpp"
#include "core/json/json.hpp"
#include "core/store/dnc.hpp"
#include "core/store/explain.hpp"
#include "core/store/policies.hpp"

namespace call::api {
namespace {

constexpr std::size_t kMaxPatterns = 100'000;

Json time_or_null(const std::optional<WallTime>& time) {
  return time ? Json(to_rfc3339(*time)) : Json();
}

/// ?number=&registry=&cursor=&limit=
Result<net::HttpResponse> list_dnc(Context& context, const Request& request,
                                   const store::Tenant& tenant) {
  store::DncFilter filter;
  for (const auto& [name, value] : request.query) {
    const auto number = parse_number<std::int64_t>(value);
    if (name == "number") {
      filter.number = value;
    } else if (name == "registry") {
      filter.registry = value;
    } else if (name == "cursor" && number) {
      filter.after_id = *number;
    } else if (name == "limit" && number && *number >= 1 && *number <= 10'000) {
      filter.limit = static_cast<int>(*number);
    } else {
      return Error{Errc::invalid_argument, fmt::format("\"{}\" is no filter, or not so", name)};
    }
  }
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto rules, store::dnc_rules(*connection, tenant.id, filter));
  Json rows = Json::array();
  for (const auto& rule : rules) {
    rows.push_back({{"pattern", rule.pattern},
                    {"scope", rule.everybody ? "all" : "tenant"},
                    {"registry", rule.registry},
                    {"note", rule.note},
                    {"created_at", to_rfc3339(rule.created_at)}});
  }
  const bool more = rules.size() == static_cast<std::size_t>(filter.limit);
  return json_answer(200,
                     {{"rules", rows}, {"next_cursor", more ? Json(rules.back().id) : Json()}});
}

/// {"patterns": ["+14155550123", "+1900*"], "note": "..."}
Result<net::HttpResponse> add_dnc(Context& context, const Request& request,
                                  const store::Tenant& tenant) {
  const json::Limits limits{request.http.body.size() + 1, 4};
  CALL_TRY(const auto body, json::parse(request.http.body, limits, "the body"));
  CALL_TRY(const auto items, json::get_array(body, "patterns"));
  CALL_TRY(const auto note, json::get_string_or(body, "note", ""));
  if (items.empty() || items.size() > kMaxPatterns)
    return Error{Errc::invalid_argument, "patterns must be 1 to 100000 texts"};
  std::vector<std::string> patterns;
  for (const auto& item : items) {
    if (!item.is_string()) return Error{Errc::invalid_argument, "patterns must be texts"};
    patterns.push_back(item.get<std::string>());
    const auto& pattern = patterns.back();
    if (!contacts::is_number_or_prefix(pattern)) {
      return Error{
          Errc::invalid_argument,
          fmt::format("\"{}\" is no valid number; what stands for all numbers that begin so "
                      "ends with a star: \"+1900*\"",
                      pattern)};
    }
  }
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto added, store::add_dnc(*connection, tenant.id, patterns, note));
  return json_answer(
      201, {{"added", added}, {"known", static_cast<std::int64_t>(patterns.size()) - added}});
}

Result<net::HttpResponse> remove_dnc(Context& context, const Request& request,
                                     const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_CHECK(store::remove_dnc(*connection, tenant.id, request.captures.front()));
  return json_answer(200, {{"removed", request.captures.front()}});
}

Result<Json> policy_view(const store::StoredPolicy& stored) {
  CALL_TRY(auto document, json::parse(stored.document_json));
  return Json{{"name", stored.name},
              {"default", stored.tenant_default},
              {"lists", stored.lists},
              {"updated_at", to_rfc3339(stored.updated_at)},
              {"document", std::move(document)}};
}

Result<net::HttpResponse> list_policies(Context& context, const Request&,
                                        const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto found, store::policies(*connection, tenant.id));
  Json rows = Json::array();
  for (const auto& stored : found) {
    CALL_TRY(auto row, policy_view(stored));
    rows.push_back(std::move(row));
  }
  return json_answer(200, {{"policies", rows}});
}

Result<net::HttpResponse> show_policy(Context& context, const Request& request,
                                      const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto stored, store::find_policy(*connection, tenant.id, request.captures.front()));
  CALL_TRY(const auto answer, policy_view(stored));
  return json_answer(200, answer);
}

/// The body is the document itself, as JSON.
Result<net::HttpResponse> put_policy(Context& context, const Request& request,
                                     const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto stored,
           store::put_policy(*connection, tenant.id, request.captures.front(), request.http.body));
  CALL_TRY(const auto answer, policy_view(stored));
  return json_answer(200, answer);
}

Result<net::HttpResponse> remove_policy(Context& context, const Request& request,
                                        const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_CHECK(store::remove_policy(*connection, tenant.id, request.captures.front()));
  return json_answer(200, {{"removed", request.captures.front()}});
}

Result<net::HttpResponse> explain(Context& context, const Request& request,
                                  const store::Tenant& tenant) {
  CALL_TRY(auto connection, context.store());
  CALL_TRY(const auto said, store::explain_entry(*connection, tenant.id, request.captures.front(),
                                                 context.options().account_concurrency));
  auto answer = view(said.entry);
  answer["list"] = said.list.id;
  answer["policy"] = said.policy.empty() ? Json() : Json(said.policy);
  answer["verdict"] = said.verdict;
  answer["summary"] = said.summary;
  answer["next_at"] = time_or_null(said.next);
  auto& reasons = answer["reasons"] = Json::array();
  for (const auto& reason : said.reasons) {
    reasons.push_back({{"question", reason.question},
                       {"answer", reason.answer},
                       {"detail", reason.detail},
                       {"until", time_or_null(reason.until)}});
  }
  auto& attempts = answer["attempt_history"] = Json::array();
  for (const auto& attempt : said.attempts) attempts.push_back(view(attempt));
  return json_answer(200, answer);
}

}  // namespace

void add_policy_routes(Router& router, Context& context) {
  router.add("GET", "/v1/dnc", authenticated(context, list_dnc));
  router.add("POST", "/v1/dnc", authenticated(context, add_dnc));
  router.add("DELETE", "/v1/dnc/{pattern}", authenticated(context, remove_dnc));
  router.add("GET", "/v1/policies", authenticated(context, list_policies));
  router.add("GET", "/v1/policies/{name}", authenticated(context, show_policy));
  router.add("PUT", "/v1/policies/{name}", authenticated(context, put_policy));
  router.add("DELETE", "/v1/policies/{name}", authenticated(context, remove_policy));
  router.add("GET", "/v1/entries/{id}/explain", authenticated(context, explain));
}

}  // namespace call::api
