// A job's webhooks as RQ 2.10 and later define them: a bare GET, or a POST of a small JSON document.
#include "core/rq/hook_requests.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/strings.hpp"
#include "core/json/json.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kMostOfOneJob = 16;
constexpr std::int64_t kDefaultTimeoutSeconds = 10;
constexpr std::int64_t kLongestTimeoutSeconds = 60;

/// As Python's isoformat() writes UTC, which receivers of RQ's own webhooks get.
Json moment(const std::string& text) {
  if (text.empty()) return nullptr;
  return text.ends_with('Z') ? text.substr(0, text.size() - 1) + "+00:00" : text;
}

std::string payload(const End& end) {
  Json body = {{"job_id", to_valid_utf8(end.job_id)},
               {"func_name", to_valid_utf8(end.function)},
               {"status", end.status},
               {"enqueued_at", moment(to_valid_utf8(end.enqueued_at))},
               {"ended_at", moment(end.ended_at)}};
  if (end.status == "failed") body["exc_info"] = to_valid_utf8(end.failure_text);
  return json::dump(body);
}

bool is_header_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}
bool is_header_text(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

Status set_headers(net::HttpRequest& request, const Json& hook) {
  const auto headers = hook.find("headers");
  if (headers == hook.end() || !headers->is_object()) return {};
  for (const auto& [name, value] : headers->items()) {
    if (!value.is_string() || !is_header_name(name) ||
        !is_header_text(value.get_ref<const std::string&>()))
      return Error{Errc::invalid_argument, "a webhook's headers are plain text"};
    request.headers.set(name, value.get<std::string>());
  }
  return {};
}

Result<HookRequest> hook_request(const Json& hook, const End& end) {
  HookRequest out;
  CALL_TRY(const auto url_text, json::get_string(hook, "url"));
  CALL_TRY(out.url, net::parse_url(url_text));
  if (out.url.scheme != "http" && out.url.scheme != "https")
    return Error{Errc::invalid_argument, "a webhook's URL is http or https"};
  CALL_TRY(out.request.method, json::get_string_or(hook, "method", "GET"));
  if (out.request.method != "GET" && out.request.method != "POST")
    return Error{Errc::invalid_argument, "a webhook's method is GET or POST"};
  if (out.request.method == "POST") {
    out.request.headers.set("Content-Type", "application/json");
    out.request.body = payload(end);
  }
  CALL_CHECK(set_headers(out.request, hook));
  std::int64_t seconds = kDefaultTimeoutSeconds;
  if (const auto timeout = hook.find("timeout");
      timeout != hook.end() && timeout->is_number_integer())
    seconds = std::clamp<std::int64_t>(timeout->get<std::int64_t>(), 1, kLongestTimeoutSeconds);
  out.patience = std::chrono::seconds(seconds);
  return out;
}

}  // namespace

Result<std::vector<Result<HookRequest>>> hook_requests(std::string_view webhooks, const End& end) {
  CALL_TRY(const auto list, json::parse(webhooks, {.bytes = 64U << 10, .depth = 8}, "webhooks"));
  if (!list.is_array()) return Error{Errc::invalid_argument, "webhooks are a list"};
  std::vector<Result<HookRequest>> out;
  for (const Json& hook : list) {
    if (out.size() == kMostOfOneJob) break;
    if (hook.is_object() && hook.value("job_status", Json()) == end.status)
      out.push_back(hook_request(hook, end));
  }
  return out;
}

}  // namespace call::rq
