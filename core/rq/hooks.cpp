// Webhooks as RQ 2.10 and later define them: a bare GET, or a POST of a small JSON document.
#include "core/rq/hooks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/net/http_client.hpp"
#include "core/runtime/thread_pool.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kMostWaiting = 1000;
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

Status send_one(const Json& hook, const End& end, const std::stop_token& stop) {
  CALL_TRY(const auto url_text, json::get_string(hook, "url"));
  CALL_TRY(const auto url, net::parse_url(url_text));
  if (url.scheme != "http" && url.scheme != "https")
    return Error{Errc::invalid_argument, "a webhook's URL is http or https"};
  net::HttpRequest request;
  CALL_TRY(request.method, json::get_string_or(hook, "method", "GET"));
  if (request.method != "GET" && request.method != "POST")
    return Error{Errc::invalid_argument, "a webhook's method is GET or POST"};
  if (request.method == "POST") {
    request.headers.set("Content-Type", "application/json");
    request.body = payload(end);
  }
  if (const auto headers = hook.find("headers"); headers != hook.end() && headers->is_object()) {
    for (const auto& [name, value] : headers->items()) {
      if (!value.is_string() || !is_header_name(name) ||
          !is_header_text(value.get_ref<const std::string&>()))
        return Error{Errc::invalid_argument, "a webhook's headers are plain text"};
      request.headers.set(name, value.get<std::string>());
    }
  }
  std::int64_t seconds = kDefaultTimeoutSeconds;
  if (const auto timeout = hook.find("timeout");
      timeout != hook.end() && timeout->is_number_integer())
    seconds = std::clamp<std::int64_t>(timeout->get<std::int64_t>(), 1, kLongestTimeoutSeconds);
  net::HttpCallOptions options;
  options.max_body_bytes = 64U << 10;
  options.stop = stop;
  const auto called =
      net::http_call(url, request, Deadline::after(std::chrono::seconds(seconds)), options);
  if (!called.response) return called.response.error();
  if (called.response->status >= 400)
    return Error{Errc::protocol,
                 fmt::format("{} answered {}", url.to_string(), called.response->status)};
  return {};
}

}  // namespace

Hooks::Hooks() = default;
Hooks::~Hooks() = default;

void Hooks::run(std::string_view what, std::function<void(std::stop_token)> task) {
  std::lock_guard lock(mutex_);
  if (!thread_) thread_ = std::make_unique<runtime::ThreadPool>("rq-hooks", 1, kMostWaiting);
  const bool taken = thread_->submit([this, task = std::move(task)] {
    if (!stop_.stop_requested()) task(stop_.get_token());
    std::lock_guard inner(mutex_);
    --waiting_;
    done_.notify_all();
  });
  if (taken) {
    ++waiting_;
  } else {
    log_.warn("{} is dropped: {} wait already", what, kMostWaiting);
  }
}

void Hooks::send(const std::string& webhooks, End end) {
  const auto list = json::parse(webhooks, {.bytes = 64U << 10, .depth = 8}, "webhooks");
  if (!list || !list->is_array()) {
    log_.with("job", to_valid_utf8(end.job_id)).warn("its webhooks cannot be read");
    return;
  }
  Json mine = Json::array();
  for (const Json& hook : *list)
    if (hook.is_object() && hook.value("job_status", Json()) == end.status &&
        mine.size() < kMostOfOneJob)
      mine.push_back(hook);
  if (mine.empty()) return;
  const auto log = log_.with("job", to_valid_utf8(end.job_id));
  run("a webhook", [mine = std::move(mine), end = std::move(end), log](const auto& stop) {
    for (const Json& hook : mine)
      if (const auto sent = send_one(hook, end, stop); !sent)
        log.warn("its webhook was not delivered: {}", sent.error().to_string());
  });
}

void Hooks::finish(Deadline deadline) {
  assert_may_block("Hooks::finish");
  std::unique_lock lock(mutex_);
  done_.wait_for(lock, deadline.left(), [this] { return waiting_ == 0; });
  if (waiting_ > 0) log_.warn("{} webhooks and callbacks are given up at the end", waiting_);
  stop_.request_stop();
  auto thread = std::move(thread_);
  lock.unlock();
  thread.reset();
}

}  // namespace call::rq
