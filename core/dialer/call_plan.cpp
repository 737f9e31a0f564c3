#include "core/dialer/call_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/assert.hpp"
#include "core/base/strings.hpp"
#include "core/carrier/media_token.hpp"
#include "core/carrier/twiml.hpp"
#include "core/json/json.hpp"

namespace call::dialer {
namespace {

namespace twiml = carrier::twiml;

constexpr std::string_view kMediaPath = "/ws/twilio-media";
constexpr std::string_view kOverrides = "#rc=5&rp=5xx,ct,rt";

constexpr std::size_t kOwnParameters = 6;  // of twiml_of(), the callee's not counted
constexpr std::string_view kName = "name";
constexpr std::size_t kSurelyFits = 400;  // bytes of a name and all variables, as JSON

using Parameters = std::vector<std::pair<std::string, std::string>>;

/// What the call carries of the callee; `left_out` takes the names of the rest.
Parameters of_callee(std::string_view callee, const std::string& variables_json,
                     std::vector<std::string>& left_out) {
  Parameters out;
  if (!callee.empty()) {
    out.emplace_back(kName, truncate_utf8(callee, twiml::kMaxParameter - kName.size() - 1));
    if (out.back().second.size() < callee.size()) left_out.emplace_back(kName);
  }
  const auto variables = json::parse(variables_json, {}, "the entry's variables");
  if (!variables || !variables->is_object()) return out;
  for (const auto& [name, value] : variables->items()) {
    auto key = "var." + name;
    auto text = value.is_string() ? value.get<std::string>() : json::dump(value);
    const bool room = kOwnParameters + out.size() < twiml::kMaxParameters;
    if (room && key.size() + text.size() < twiml::kMaxParameter) {
      out.emplace_back(std::move(key), std::move(text));
    } else {
      left_out.push_back(name);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> left_out(std::string_view callee, const std::string& variables_json) {
  std::vector<std::string> out;
  if (callee.size() + variables_json.size() < kSurelyFits) return out;
  of_callee(callee, variables_json, out);
  return out;
}

std::string_view to_string(Hook hook) {
  switch (hook) {
    case Hook::answer:
      return "answer";
    case Hook::status:
      return "status";
    case Hook::amd:
      return "amd";
    case Hook::stream:
      return "stream";
    case Hook::stream_ended:
      return "stream-ended";
  }
  return "";
}

std::string hook_url(const PublicUrls& urls, Hook hook, std::string_view token) {
  return fmt::format("{}/twilio/{}/{}", urls.api, to_string(hook), token);
}

std::string with_retries(std::string url) {
  return url.append(kOverrides);
}

CallPlan plan_of(const store::List& list, const store::Claim& claim) {
  return {.attempt_id = claim.attempt_id,
          .token = claim.token,
          .tenant = list.tenant,
          .agent = list.settings.agent,
          .list_id = list.id,
          .entry_id = claim.entry_id,
          .name = claim.name,
          .variables_json = claim.variables_json};
}

CallPlan plan_of(const store::CallContext& context) {
  return {.attempt_id = context.attempt_id,
          .token = context.token,
          .tenant = context.tenant,
          .agent = context.agent,
          .list_id = context.list_id,
          .entry_id = context.entry_id,
          .name = context.name,
          .variables_json = context.variables_json};
}

std::string twiml_of(const CallPlan& plan, const PublicUrls& urls, const Secret& media_key,
                     WallTime expiry) {
  twiml::Connect connect;
  connect.action = hook_url(urls, Hook::stream_ended, plan.token);
  auto& stream = connect.stream;
  stream.url = urls.media + std::string(kMediaPath);
  stream.status_callback = hook_url(urls, Hook::stream, plan.token);
  stream.parameters = {
      {"agent", plan.agent},
      {"attempt", plan.attempt_id},
      {"tenant", plan.tenant},
      {"list", std::to_string(plan.list_id)},
      {"entry", std::to_string(plan.entry_id)},
      {"token", carrier::make_media_token(media_key, plan.attempt_id, expiry)},
  };
  CALL_ASSERT(stream.parameters.size() == kOwnParameters);
  std::vector<std::string> left_out;
  for (auto& parameter : of_callee(plan.name, plan.variables_json, left_out))
    stream.parameters.push_back(std::move(parameter));
  return twiml::write({{std::move(connect)}});
}

std::string hangup_twiml() {
  return carrier::twiml::write({{twiml::Hangup{}}});
}

std::string farewell_twiml(std::string_view text) {
  return carrier::twiml::write({{twiml::Say{std::string(text), {}, {}}, twiml::Hangup{}}});
}

carrier::CreateCall request_of(const store::List& list, const store::Claim& claim,
                               const PublicUrls& urls, std::string twiml) {
  carrier::CreateCall request;
  request.to = claim.to_number;
  request.from = claim.from_number;
  const bool waits_for_verdict = list.settings.amd == store::Amd::sync;
  if (twiml.size() <= carrier::kMaxInlineTwiml && !waits_for_verdict) {
    request.twiml = std::move(twiml);
  } else {
    request.url = with_retries(hook_url(urls, Hook::answer, claim.token));
  }
  request.status_callback = with_retries(hook_url(urls, Hook::status, claim.token));
  request.ring_timeout = std::max(list.settings.ring_timeout, claim.ring_timeout);
  request.time_limit = list.settings.time_limit;
  if (list.settings.amd != store::Amd::off) {
    carrier::MachineDetection detection;
    if (!waits_for_verdict)
      detection.async_callback_url = with_retries(hook_url(urls, Hook::amd, claim.token));
    request.machine_detection = std::move(detection);
  }
  return request;
}

}  // namespace call::dialer
