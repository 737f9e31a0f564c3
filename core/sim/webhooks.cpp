#include "core/sim/webhooks.hpp"

#include <memory>
#include <utility>

#include "core/base/ids.hpp"
#include "core/carrier/signature.hpp"
#include "core/log/log.hpp"
#include "core/net/http_client.hpp"
#include "core/runtime/loop.hpp"

namespace call::sim {
namespace {

constexpr std::size_t kQueue = 20000;

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
  pool_.join();
}

HookAnswer Webhooks::deliver(const Hook& hook, const net::Params& params) const {
  const auto deadline = Deadline::after(options_.timeout);
  std::string target = hook.url.substr(0, hook.url.find('#'));
  const bool get = hook.method == "GET";
  if (get && !params.empty())
    target += (target.find('?') == std::string::npos ? "?" : "&") + net::encode_form(params);
  const auto url = net::parse_url(target);
  if (!url) return {0, "", url.error().context};

  net::HttpRequest request;
  request.method = get ? "GET" : "POST";
  request.headers.set("User-Agent", "TwilioProxy/1.1");
  request.headers.set("Accept", "*/*");
  request.headers.set("X-Twilio-Signature",
                      carrier::sign(options_.auth_token, target, get ? net::Params{} : params));
  request.headers.set("I-Twilio-Idempotency-Token", random_uuid());
  if (!get) {
    request.headers.set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
    request.body = net::encode_form(params);
  }
  for (int attempt = 0;; ++attempt) {
    auto result = net::http_call(*url, request, deadline);
    if (result.response) {
      auto& response = *result.response;
      HookAnswer answer{response.status, std::move(response.body), ""};
      if (!answer.ok()) answer.error = "answered " + std::to_string(answer.status);
      return answer;
    }
    if (result.sent == net::Sent::no && attempt == 0 && !deadline.passed()) continue;
    log::Logger("sim").debug("webhook {}: {}", url->to_string(),
                             result.response.error().to_string());
    return {0, "", result.response.error().context};
  }
}

}  // namespace call::sim
