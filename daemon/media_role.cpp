#include <fmt/format.h>

#include <atomic>
#include <memory>

#include "core/carrier/carrier.hpp"
#include "core/carrier/twiml.hpp"
#include "core/flow/service.hpp"
#include "daemon/doorkeeper.hpp"
#include "daemon/health.hpp"
#include "daemon/roles.hpp"
#include "daemon/wiring.hpp"

namespace call::daemon {
namespace {

/// Hands a live call over: the carrier leaves our stream and dials.
flow::Transfer transfer_by(std::shared_ptr<const carrier::Carrier> carrier) {
  return [carrier = std::move(carrier)](const std::string& call_sid,
                                        const std::string& number) -> Status {
    constexpr std::chrono::seconds kPatience{5};
    carrier::twiml::Response response;
    response.verbs.emplace_back(
        carrier::twiml::Dial{.number = number, .caller_id = "", .action = ""});
    carrier::UpdateCall update;
    update.action = carrier::UpdateCall::Action::redirect;
    update.twiml = carrier::twiml::write(response);
    CALL_TRY(const auto outcome,
             carrier->update_call(call_sid, update, Deadline::after(kPatience)));
    if (outcome == carrier::UpdateOutcome::already_over)
      return Error{Errc::conflict, "the call is over already"};
    return {};
  };
}

}  // namespace

Status run_media(Process& process) {
  constexpr std::chrono::seconds kStop{5};
  const auto& config = process.config();
  std::atomic<bool> draining{false};
  std::unique_ptr<Doorkeeper> door;

  flow::ServiceHooks hooks;
  hooks.http = [&](const net::HttpRequest& request) {
    return answer_health(request, process.metrics(), [&] {
      return std::vector<Check>{{"media", draining ? "draining" : "ok"}};
    });
  };
  if (config.media.auth != "none") {
    CALL_TRY(const auto account, carrier_options(config));
    door = std::make_unique<Doorkeeper>(signature_keys(account), media_stream_url(config));
    hooks.authorize = [&door](const net::HttpRequest& upgrade) { return door->authorize(upgrade); };
    hooks.admit = [&door](const media::StartInfo& start) { return door->admit(start); };
    hooks.transfer = transfer_by(std::make_shared<const carrier::Carrier>(account));
  } else {
    process.log().warn("media.auth is none: whoever reaches {} may hold calls",
                       config.media.listen.to_string());
  }

  auto options = service_options(config);
  options.server.pulses = &process.pulses();
  if (config.record.tape && !options.server.spool.tape_calls) {
    process.log().warn("record.tape is on, but no tape is kept while anything is redacted");
  }
  CALL_TRY(const auto service, flow::Service::start(options, hooks, process.metrics()));
  process.ready(fmt::format("taking calls on {}:{}", config.media.listen.host, service->port()));
  process.run_until_told_to_end();
  draining = true;
  if (!process.finish(config.media.drain_timeout,
                      [&](Deadline deadline) { return service->drain(deadline); })) {
    process.log().warn("{} calls are ended before their time", service->active_calls());
  }
  service->stop(Deadline::after(kStop));
  return {};
}

}  // namespace call::daemon
