// Creates. The order is what makes the simulator an oracle: the create is on the disk, then the call
// exists, then (perhaps) an answer leaves.
#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>

#include "core/base/clock.hpp"
#include "core/base/ids.hpp"
#include "core/json/json.hpp"
#include "core/net/form.hpp"
#include "core/sim/ask.hpp"
#include "core/sim/hook_policy.hpp"
#include "core/sim/request.hpp"
#include "core/sim/resource.hpp"
#include "core/sim/rest.hpp"

namespace call::sim {
namespace {

constexpr std::chrono::seconds kEarlyPatience{3};

std::string line_of(const CallRequest& call, const std::string& sid, bool accepted) {
  const auto hook = std::string(without_fragment(call.status_callback.url));
  return json::dump({{"time", to_rfc3339(wall_now(), 6)},
                     {"sid", sid},
                     {"token", hook.substr(hook.rfind('/') + 1)},
                     {"to", call.to},
                     {"from", call.from},
                     {"accepted", accepted}});
}

/// A proxy in front of the carrier answers 502 and 504 with a page of its own.
net::HttpResponse failure(int status) {
  if (status == 502 || status == 504) return net::text_response(status, "<html>Bad gateway</html>");
  return error_response(status, 20000 + status, "The carrier has a problem");
}

net::HttpResponse refusal(const Faults& faults) {
  if (faults.create != CreateFault::throttle) return failure(faults.status);
  auto response = error_response(429, 20429, "Too Many Requests");
  response.headers.set("Retry-After", std::to_string(faults.retry_after_s));
  return response;
}

net::HttpResponse spoiled(net::HttpResponse answer, const Faults& faults) {
  using End = net::Spoil::End;
  switch (faults.create) {
    case CreateFault::none:
    case CreateFault::throttle:
      break;
    case CreateFault::drop:
      answer.spoil = {0, End::close};
      break;
    case CreateFault::reset:
      answer.spoil = {0, End::reset};
      break;
    case CreateFault::half:  // the head has some hundred bytes: the cut is in the body
      answer.spoil = {answer.body.size(), End::half_close};
      break;
    case CreateFault::truncated:
      answer.body.resize(answer.body.size() / 2);
      break;
    case CreateFault::invalid:
      answer.body = R"({"status":"queued","sid":null})";
      break;
    case CreateFault::error:
      return failure(faults.status);
  }
  return answer;
}

}  // namespace

void Rest::drain() {
  {
    std::lock_guard lock(mutex_);
    draining_ = true;
  }
  drained_.notify_all();
}

void Rest::pause(std::chrono::milliseconds span) {
  if (span.count() == 0) return;
  std::unique_lock lock(mutex_);
  drained_.wait_for(lock, span, [this] { return draining_.load(); });
}

net::HttpResponse Rest::create(const net::HttpRequest& request) {
  if (draining_) return error_response(503, 20503, "Service unavailable");
  const auto form = net::decode_form(request.body);
  if (!form) return error_response(400, 20001, form.error().context);
  auto checked = parse_create(form.value());
  if (auto* refused = std::get_if<net::HttpResponse>(&checked)) return std::move(*refused);
  const auto& call = std::get<CallRequest>(checked);
  const auto faults = faults_.draw(call.to);
  auto answer = faults.is_accepted() ? accept(call, faults) : refusal(faults);
  pause(faults.answer_delay);
  return answer;
}

net::HttpResponse Rest::accept(const CallRequest& call, const Faults& faults) {
  const auto sid = "CA" + random_hex(16);
  if (const auto logged = creates_.append(line_of(call, sid, true)); !logged)
    return error_response(500, 20500, logged.error().context);
  const auto promise = std::make_shared<std::promise<void>>();
  const auto reported = promise->get_future();
  const auto created = ask(loop_, [this, call, sid, faults, promise] {
    return switchboard_.create(call, sid, faults, [promise] { promise->set_value(); });
  });
  if (!created) return error_response(500, 20500, "An internal error occurred");
  if (!*created) {
    // Should this line be lost, the oracle counts a call too many, never one too few.
    if (const auto logged = creates_.append(line_of(call, sid, false)); !logged)
      return error_response(500, 20500, logged.error().context);
    return error_response(429, 20429, "Too many calls");
  }
  if (faults.webhooks == HookFault::early) reported.wait_for(kEarlyPatience);
  return spoiled(net::json_response(201, call_resource(**created, options_.account_sid)), faults);
}

}  // namespace call::sim
