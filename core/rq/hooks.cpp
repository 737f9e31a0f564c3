#include "core/rq/hooks.hpp"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "core/base/affinity.hpp"
#include "core/base/strings.hpp"
#include "core/net/http_client.hpp"
#include "core/runtime/thread_pool.hpp"

namespace call::rq {
namespace {

constexpr std::size_t kMostWaiting = 1000;

Status send_one(const HookRequest& hook, const std::stop_token& stop) {
  net::HttpCallOptions options;
  options.max_body_bytes = 64U << 10;
  options.stop = stop;
  const auto called =
      net::http_call(hook.url, hook.request, Deadline::after(hook.patience), options);
  if (!called.response) return called.response.error();
  if (called.response->status >= 400)
    return Error{Errc::protocol,
                 fmt::format("{} answered {}", hook.url.to_string(), called.response->status)};
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

void Hooks::send(const std::string& webhooks, const End& end) {
  const auto log = log_.with("job", to_valid_utf8(end.job_id));
  auto hooks = hook_requests(webhooks, end);
  if (!hooks) {
    log.warn("its webhooks cannot be read");
    return;
  }
  if (hooks->empty()) return;
  run("a webhook", [hooks = *std::move(hooks), log](const auto& stop) {
    for (const auto& hook : hooks)
      if (const auto sent = hook ? send_one(*hook, stop) : Status(hook.error()); !sent)
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
