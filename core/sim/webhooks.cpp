#include "core/sim/webhooks.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "core/base/affinity.hpp"
#include "core/base/ids.hpp"
#include "core/carrier/signature.hpp"
#include "core/log/log.hpp"
#include "core/net/http_client.hpp"
#include "core/runtime/loop.hpp"
#include "core/sim/hook_policy.hpp"

namespace call::sim {
namespace {

constexpr std::size_t kQueue = 20000;
constexpr std::chrono::milliseconds kRetryStep{250};  ///< the n-th retry waits n of these

struct SignedRequest {
  std::string url;
  net::HttpRequest message;
};

SignedRequest to_request(const Hook& hook, const net::Params& params, const Secret& token) {
  SignedRequest out;
  out.url = without_fragment(hook.url);
  auto& headers = out.message.headers;
  if (hook.method == "GET") {
    if (!params.empty())
      out.url += (out.url.find('?') == std::string::npos ? "?" : "&") + net::encode_form(params);
    headers.set("X-Twilio-Signature", carrier::sign(token, out.url));
  } else {
    out.message.method = "POST";
    out.message.body = net::encode_form(params);
    headers.set("X-Twilio-Signature", carrier::sign(token, out.url, params));
    headers.set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  }
  headers.set("User-Agent", "TwilioProxy/1.1");
  headers.set("Accept", "*/*");
  headers.set("I-Twilio-Idempotency-Token", random_uuid());
  return out;
}

struct Attempt {
  HookAnswer answer;
  std::optional<HookFailure> failure;
};

Attempt attempt_once(const net::Url& url, const net::HttpRequest& request, Deadline deadline) {
  auto [response, sent] = net::http_call(url, request, deadline);
  if (!response)
    return {{0, "", response.error().context},
            sent == net::Sent::no ? HookFailure::connect : HookFailure::read};
  HookAnswer answer{response->status, std::move(response->body), ""};
  if (answer.ok()) return {std::move(answer), std::nullopt};
  answer.error = "answered " + std::to_string(answer.status);
  const auto kind = answer.status >= 500 ? HookFailure::server_error : HookFailure::client_error;
  return {std::move(answer), kind};
}

}  // namespace

Webhooks::Webhooks(Options options, runtime::Loop& loop)
    : options_(std::move(options)), loop_(loop), pool_("sim-hook", options_.threads, kQueue) {}

void Webhooks::send(const Hook& hook, net::Params params, Done done) {
  ++pending_;
  const auto job = std::make_shared<Job>(Job{hook, std::move(params), std::move(done)});
  if (!pool_.submit([this, job] { complete(*job, deliver(job->hook, job->params)); }))
    complete(*job, {0, "", "too many webhooks wait already"});
}

/// Moves `done` to the loop: whatever it keeps alive must also end there.
void Webhooks::complete(Job& job, HookAnswer answer) {
  loop_.post([done = std::move(job.done), answer = std::move(answer)]() mutable {
    done(std::move(answer));
  });
  --pending_;
}

void Webhooks::stop() {
  {
    std::lock_guard lock(stop_mutex_);
    stopping_ = true;
  }
  stop_changed_.notify_all();
  pool_.join();
}

/// False when there shall be no further attempt.
bool Webhooks::wait_before_retry(int attempt, Deadline deadline) {
  assert_may_block("Webhooks::wait_before_retry");
  const auto span =
      std::min<std::chrono::milliseconds>(kRetryStep * (attempt + 1), deadline.left());
  std::unique_lock lock(stop_mutex_);
  stop_changed_.wait_for(lock, span, [this] { return stopping_; });
  return !stopping_ && !deadline.passed();
}

HookAnswer Webhooks::deliver(const Hook& hook, const net::Params& params) {
  const auto policy = parse_hook_policy(hook.url);
  const auto deadline = Deadline::after(std::min(policy.total, options_.timeout));
  const auto request = to_request(hook, params, options_.auth_token);
  const auto url = net::parse_url(request.url);
  if (!url) return {0, "", url.error().context};
  for (int attempt = 0;; ++attempt) {
    auto [answer, failure] = attempt_once(*url, request.message, deadline);
    if (!failure) return answer;
    log::Logger("sim").debug("webhook {}: {}", url->to_string(), answer.error);
    const bool again = attempt < policy.retries && policy.covers(*failure);
    if (!again || !wait_before_retry(attempt, deadline)) return answer;
  }
}

}  // namespace call::sim
