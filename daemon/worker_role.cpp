#include <fmt/format.h>

#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/dialer/chores.hpp"
#include "core/dialer/gate.hpp"
#include "core/dialer/instruments.hpp"
#include "core/dialer/sender_pool.hpp"
#include "core/dialer/wake.hpp"
#include "core/filing/erasing.hpp"
#include "core/filing/filing.hpp"
#include "core/net/http_server.hpp"
#include "core/rq/worker.hpp"
#include "core/runtime/thread_name.hpp"
#include "core/store/pool.hpp"
#include "daemon/database.hpp"
#include "daemon/health.hpp"
#include "daemon/roles.hpp"
#include "daemon/ticker.hpp"
#include "daemon/wiring.hpp"

namespace call::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kChorePeriod{1};
// Well above what a batch of marks or settlements takes.
constexpr milliseconds kBatchPatience{50};
constexpr seconds kLookForExpired{60};
constexpr seconds kLookAtDatabase{2};
constexpr seconds kDrain{60};  // above what the worker gives its jobs
// Create-calls under way at the same time, all lists of the process together.
constexpr std::size_t kSenders = 64;
// Of these so many may speak to PostgreSQL at once; the others wait for the carrier.
constexpr std::size_t kSenderConnections = 16;

std::vector<Check> look_around(store::Pool& pool, const rq::Worker& worker) {
  const auto database = [&]() -> Status {
    CALL_TRY(auto connection, pool.take(Deadline::after(kLookAtDatabase)));
    return connection->ping();
  }();
  const auto status = worker.status();
  return {{"postgresql", database ? "ok" : database.error().context},
          {"redis", status.redis_reachable ? "ok" : "not reachable"},
          {"worker", status.draining ? "draining" : "ok"}};
}

rq::Registry make_registry(const config::Config& config, const dialer::Deps& deps,
                           store::Pool& pool) {
  rq::Registry registry;
  dialer::register_jobs(registry, deps, dialer_options(config));
  filing::register_jobs(registry, pool, config.worker.records_dir);
  filing::register_erasing(registry, pool, config.worker.records_dir, retention_of(config));
  registry.add("calld.noop", rq::noop);
  return registry;
}

// The outbox, lists without a driver, finished call records, and those that are to be erased.
class Chores {
 public:
  Chores(const dialer::Deps& deps, const config::Config& config, runtime::Pulses& pulses)
      : dialer_(deps, dialer_options(config)),
        queue_(deps.redis),
        settings_(config.worker),
        retention_(retention_of(config)),
        pulse_(&pulses, "chores") {}

  void tick() {
    pulse_.beat();
    dialer_.tick();
    pulse_.beat();
    const auto found = filing::enqueue_ready(queue_, settings_.records_queue, settings_.spool_dir,
                                             Deadline::after(seconds(5)));
    if (!found) {
      if (const auto hidden = failures_.admit()) {
        log_.warn("call records wait in the spool: {} ({} more not shown)",
                  found.error().to_string(), *hidden);
      }
      return;
    }
    if (MonoClock::now() < erase_at_) return;
    erase_at_ = MonoClock::now() + kLookForExpired;
    const auto asked = filing::enqueue_erasing(queue_, settings_.records_queue, retention_,
                                               Deadline::after(seconds(5)));
    if (!asked) log_.warn("nothing is erased for a while: {}", asked.error().to_string());
  }

 private:
  dialer::Chores dialer_;
  rq::Client queue_;
  const config::Worker settings_;
  const store::Retention retention_;
  MonoClock::time_point erase_at_{};
  runtime::Pulse pulse_;
  log::Throttle failures_{seconds(30)};
  const log::Logger log_{"filing"};
};

// Works until told to end, or until the worker ends by itself (burst, or an RQ shutdown command).
Status work(Process& process, rq::Worker& worker) {
  std::promise<Status> promise;
  auto worked = promise.get_future();
  std::thread runner([&] {
    runtime::name_this_thread("worker");
    promise.set_value(worker.run());
    process.shutdown().request();
  });
  process.ready(fmt::format("working on {}", fmt::join(process.config().worker.queues, ", ")));
  process.run_until_told_to_end();
  worker.request_stop();
  process.finish(kDrain, [&](Deadline deadline) {
    return worked.wait_until(deadline.point()) == std::future_status::ready;
  });
  runner.join();
  return worked.get();
}

}  // namespace

Status run_worker(Process& process, bool burst) {
  const auto& config = process.config();
  CALL_TRY(const auto account, carrier_options(config));
  CALL_TRY(const auto redis, redis_endpoint(config));
  const auto database = store_options(config, process.role());
  // A connection for each slot, some for the senders, and a few for the chores and the health checks.
  const auto slots = static_cast<std::size_t>(config.worker.concurrency);
  store::Pool pool(database, slots + kSenderConnections + 4);
  const carrier::Carrier carrier(account);
  dialer::Instruments instruments(process.metrics());
  dialer::SenderPool senders(kSenders);
  dialer::Gate gate(redis);
  dialer::Wakes wakes(redis);
  store::AttemptWriter attempts(pool, kBatchPatience);
  const dialer::Deps deps{&pool, &attempts, redis, &carrier, &senders, &gate, &wakes, &instruments};

  auto options = worker_options(config, redis);
  options.burst = burst;
  options.metrics = &process.metrics();
  options.pulses = &process.pulses();
  rq::Worker worker(options, make_registry(config, deps, pool));

  net::HttpServerOptions http;
  http.listen = host_port(config.worker.listen);
  http.name = "health";
  http.threads = 2;
  const auto answer = [&](const net::HttpRequest& request) {
    return answer_health(request, process.metrics(), [&] { return look_around(pool, worker); });
  };
  CALL_TRY(const auto health, net::HttpServer::start(http, answer));

  CALL_CHECK(wait_for_database(process, database));
  const StartCleanup cleanup(process, deps, dialer_options(config));
  Chores chores(deps, config, process.pulses());
  const Ticker ticker("chores", kChorePeriod, [&] { chores.tick(); });
  return work(process, worker);
}

}  // namespace call::daemon
