#include <fmt/format.h>

#include <atomic>

#include "core/flow/service.hpp"
#include "daemon/doorkeeper.hpp"
#include "daemon/health.hpp"
#include "daemon/roles.hpp"
#include "daemon/wiring.hpp"

namespace call::daemon {

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
