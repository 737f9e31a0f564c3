#include "core/sim/rest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/base/clock.hpp"
#include "core/base/scope_exit.hpp"
#include "core/crypto/hash.hpp"
#include "core/json/json.hpp"
#include "core/net/form.hpp"
#include "core/sim/ask.hpp"
#include "core/sim/request.hpp"
#include "core/sim/resource.hpp"

namespace call::sim {
namespace {

constexpr std::size_t kMaxShown = 5000;  ///< the newest calls under /sim/calls

net::HttpResponse not_found(const net::HttpRequest& request) {
  return error_response(404, 20404,
                        "The requested resource " + std::string(request.path()) + " was not found");
}

net::HttpResponse no_answer() {
  return error_response(500, 20500, "An internal error occurred");
}

net::HttpResponse call_response(int status, const CallState& call, const std::string& account) {
  return net::json_response(status, call_resource(call, account));
}

/// ".../Calls.json" for one page.
std::string page_uri(std::string_view path, net::Params query, std::size_t page,
                     const std::string& token) {
  std::erase_if(query, [](const auto& p) { return p.first == "Page" || p.first == "PageToken"; });
  if (!net::find_param(query, "PageSize")) query.emplace_back("PageSize", "50");
  query.emplace_back("Page", std::to_string(page));
  if (!token.empty()) query.emplace_back("PageToken", token);
  return std::string(path) + "?" + net::encode_form(query);
}

}  // namespace

Rest::Rest(Options options, runtime::Loop& loop, Switchboard& switchboard, MediaClock& clock,
           FaultPlan& faults, CreateLog& creates, metrics::Registry& metrics)
    : options_(std::move(options)),
      loop_(loop),
      switchboard_(switchboard),
      clock_(clock),
      faults_(faults),
      creates_(creates),
      metrics_(metrics) {}

net::HttpResponse Rest::handle(const net::HttpRequest& request) {
  const auto path = std::string(request.path());
  if (path.starts_with("/2010-04-01/")) return answer(request);
  if (path == "/sim/faults") return change_faults(request);
  if (request.method != "GET") return net::text_response(405, "GET only\n");
  if (path == "/healthz") return net::text_response(200, "ok\n");
  if (path == "/readyz") return ready();
  if (path == "/metrics") {
    auto response = net::text_response(200, metrics_.text());
    response.headers.set("Content-Type", std::string(metrics::kContentType));
    return response;
  }
  return simulation(path);
}

net::HttpResponse Rest::answer(const net::HttpRequest& request) {
  const auto concurrent = ++in_flight_;
  const ScopeExit leave([this] { --in_flight_; });
  auto response = concurrent > options_.max_concurrent_requests
                      ? error_response(429, 20429, "Too Many Requests")
                      : authorized(request);
  response.headers.set("Twilio-Concurrent-Requests", std::to_string(concurrent));
  metrics_
      .counter("calld_sim_rest_answers_total", "Answers of the REST API, by HTTP status",
               {{"status", std::to_string(response.status)}})
      .add();
  return response;
}

bool Rest::is_authorized(const net::HttpRequest& request) const {
  std::string user;
  std::string password;
  return net::parse_basic_auth(request.headers.get("Authorization"), user, password) &&
         crypto::constant_time_equal(user, options_.account_sid) &&
         crypto::constant_time_equal(password, options_.auth_token.reveal());
}

net::HttpResponse Rest::authorized(const net::HttpRequest& request) {
  const auto base = "/2010-04-01/Accounts/" + options_.account_sid + "/Calls";
  const auto path = std::string(request.path());
  if (!is_authorized(request)) {
    auto refusal = error_response(401, 20003, "Authenticate");
    refusal.headers.set("WWW-Authenticate", "Basic realm=\"Twilio API\"");
    return refusal;
  }
  if (path != base + ".json" || request.method != "POST") pause(faults_.answer_delay());
  if (path == base + ".json") return calls(request);
  if (path.starts_with(base + "/") && path.ends_with(".json")) {
    auto sid = path.substr(base.size() + 1, path.size() - base.size() - 6);
    if (carrier::is_call_sid(sid)) return one_call(request, sid);
    constexpr std::string_view kEvents = "/Events";
    if (sid.ends_with(kEvents)) {
      sid.resize(sid.size() - kEvents.size());
      if (carrier::is_call_sid(sid)) return events(request, sid);
    }
  }
  return not_found(request);
}

net::HttpResponse Rest::calls(const net::HttpRequest& request) {
  if (request.method == "POST") return create(request);
  if (request.method == "GET") return list(request);
  return error_response(405, 20004, "Method not allowed");
}

net::HttpResponse Rest::one_call(const net::HttpRequest& request, const std::string& sid) {
  if (request.method == "POST") return update(request, sid);
  if (request.method != "GET") return error_response(405, 20004, "Method not allowed");
  const auto found = ask(loop_, [this, sid] { return switchboard_.find(sid); });
  if (!found) return no_answer();
  return *found ? call_response(200, **found, options_.account_sid) : not_found(request);
}

net::HttpResponse Rest::events(const net::HttpRequest& request, const std::string& sid) {
  if (request.method != "GET") return error_response(405, 20004, "Method not allowed");
  const auto found = ask(loop_, [this, sid] { return switchboard_.find(sid); });
  if (!found) return no_answer();
  if (!*found) return not_found(request);
  return net::json_response(200, events_resource(**found, options_.account_sid));
}

/// POST adds rules (the tables of the script as JSON), DELETE forgets all.
net::HttpResponse Rest::change_faults(const net::HttpRequest& request) {
  if (!is_authorized(request)) return error_response(401, 20003, "Authenticate");
  if (request.method == "DELETE") {
    faults_.clear();
    return net::text_response(204, "");
  }
  if (request.method != "POST") return net::text_response(405, "POST or DELETE\n");
  json::Limits limits;
  limits.bytes = 16U << 20;
  const auto document = json::parse(request.body, limits, "the faults");
  if (!document) return net::text_response(400, document.error().context + "\n");
  if (const auto added = faults_.add(*document); !added)
    return net::text_response(400, added.error().context + "\n");
  return net::text_response(204, "");
}

net::HttpResponse Rest::update(const net::HttpRequest& request, const std::string& sid) {
  const auto form = net::decode_form(request.body);
  if (!form) return error_response(400, 20001, form.error().context);
  auto checked = parse_update(form.value());
  if (auto* refusal = std::get_if<net::HttpResponse>(&checked)) return std::move(*refusal);
  struct Reply {
    std::optional<LiveCall::Update> outcome;
    std::optional<CallState> call;
  };
  const auto reply = ask(loop_, [this, sid, change = std::get<CallUpdate>(checked)] {
    const auto outcome = switchboard_.update(sid, change);
    return Reply{outcome, switchboard_.find(sid)};
  });
  if (!reply) return no_answer();
  if (!reply->outcome || *reply->outcome == LiveCall::Update::over) return not_found(request);
  if (*reply->outcome == LiveCall::Update::not_in_progress)
    return error_response(400, 21220, "Call is not in-progress. Cannot redirect.");
  return call_response(200, *reply->call, options_.account_sid);
}

net::HttpResponse Rest::list(const net::HttpRequest& request) {
  const auto query = net::decode_form(request.query());
  if (!query) return error_response(400, 20001, query.error().context);
  auto checked = parse_list(query.value());
  if (auto* refusal = std::get_if<net::HttpResponse>(&checked)) return std::move(*refusal);
  const auto& filter = std::get<ListFilter>(checked);
  const auto everything = ask(loop_, [this] { return switchboard_.snapshot(); });
  if (!everything) return no_answer();

  Page page;
  page.page = filter.page;
  page.page_size = filter.page_size;
  const auto path = request.path();
  std::string next_token;
  const auto now = wall_now();
  for (auto call = everything->rbegin(); call != everything->rend(); ++call) {
    if (!matches(filter, **call) || now - (*call)->created < (*call)->faults.list_lag) continue;
    if (page.calls.size() == filter.page_size) {  // there is one more than fits
      next_token = "PA" + std::to_string(page.calls.back()->serial);
      break;
    }
    page.calls.push_back(*call);
  }
  page.first_uri = page_uri(path, query.value(), 0, "");
  page.this_uri = page_uri(path, query.value(), filter.page,
                           std::string(net::param_or_empty(query.value(), "PageToken")));
  if (!next_token.empty())
    page.next_uri = page_uri(path, query.value(), filter.page + 1, next_token);
  if (filter.page == 1) page.previous_uri = page.first_uri;
  return net::json_response(200, page_resource(page, options_.account_sid));
}

net::HttpResponse Rest::simulation(const std::string& path) {
  if (path == "/sim/report") return net::json_response(200, report_json());
  if (path == "/sim/calls") {
    auto calls = ask(loop_, [this] { return switchboard_.snapshot(); });
    if (!calls) return no_answer();
    const auto excess = calls->size() - std::min(calls->size(), kMaxShown);
    calls->erase(calls->begin(), calls->begin() + static_cast<std::ptrdiff_t>(excess));
    return net::json_response(200, truth_of_calls(*calls));
  }
  constexpr std::string_view kOne = "/sim/calls/";
  if (path.starts_with(kOne)) {
    const auto sid = path.substr(kOne.size());
    const auto call = ask(loop_, [this, sid] { return switchboard_.find(sid); });
    if (!call) return no_answer();
    if (*call) return net::json_response(200, truth_of_call(**call));
  }
  return net::text_response(404, "not found\n");
}

std::string Rest::report_json() {
  struct Reply {
    Calls calls;
    ClockHealth clock;
  };
  const auto reply = ask(loop_, [this] { return Reply{switchboard_.snapshot(), clock_.health()}; });
  return reply ? report(reply->calls, reply->clock) : "{}";
}

net::HttpResponse Rest::ready() {
  if (draining_) return net::text_response(503, "stopping\n");
  return net::text_response(200, "ready, " + std::to_string(switchboard_.live()) + " calls\n");
}

}  // namespace call::sim
