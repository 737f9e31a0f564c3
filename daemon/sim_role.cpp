#include <fmt/format.h>

#include "core/sim/server.hpp"
#include "daemon/roles.hpp"
#include "daemon/wiring.hpp"

namespace call::daemon {

Status run_sim(Process& process) {
  constexpr std::chrono::seconds kDrain{5};  // the last webhooks
  CALL_TRY(auto options, sim_options(process.config()));
  CALL_TRY(const auto server, sim::Server::start(std::move(options)));
  process.ready("simulating a carrier at " + server->base_url());
  process.run_until_told_to_end();
  server->stop(Deadline::after(kDrain));
  return {};
}

}  // namespace call::daemon
