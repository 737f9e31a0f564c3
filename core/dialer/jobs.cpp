#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/crash_point.hpp"
#include "core/base/ids.hpp"
#include "core/dialer/dialer.hpp"
#include "core/dialer/instruments.hpp"
#include "core/dialer/registrations.hpp"
#include "core/dialer/relay.hpp"
#include "core/dialer/store_access.hpp"
#include "core/json/json.hpp"
#include "core/log/log.hpp"
#include "core/store/cleanup.hpp"
#include "core/store/events.hpp"

namespace call::dialer {
namespace {

constexpr std::string_view kCleanupJob = "calld.cleanup";
constexpr std::chrono::seconds kReconcilePass{60};
constexpr std::chrono::milliseconds kRedisPatience{2000};

Result<Json> dial_list_job(const Deps& deps, const Options& options, rq::JobContext& job) {
  CALL_TRY(const auto list_id,
           json::get_int(job.args, "0").with_context("calld.dial_list(list_id)"));
  Run run;
  run.holder = fmt::format("{}/{}/{}", job.worker, job.job_id, random_hex(4));
  run.deadline = job.deadline;
  run.stop = job.stop;
  run.draining = &job.draining;
  CALL_TRY(const auto report, dial_list(deps, options, list_id, run));
  return Json{{"end", to_string(report.end)}, {"list", report.list_id},
              {"epoch", report.epoch},        {"placed", report.placed},
              {"rejected", report.rejected},  {"throttled", report.throttled},
              {"not_sent", report.not_sent},  {"unknown", report.unknown}};
}

Result<Json> end_call_job(const Deps& deps, const Options& options, rq::JobContext& job) {
  CALL_TRY(const auto attempt,
           json::get_string(job.args, "0")
               .with_context("calld.end_call(attempt_id[, call_sid[, manner]])"));
  CALL_TRY(const auto sid, json::get_string_or(job.args, "1", ""));
  CALL_TRY(const auto manner, json::get_string_or(job.args, "2", ""));
  CALL_CHECK(end_call(deps, attempt, sid,
                      manner == store::kFarewell ? options.machine_farewell : std::string(),
                      job.deadline));
  return Json{{"attempt", attempt}};
}

/// Lists without a driver: paused, cancelled or finished while a call's fate was unknown.
Result<Json> reconcile_job(const Deps& deps, const Options& options, rq::JobContext& job) {
  const auto patience = Deadline::after(kReconcilePass);
  const auto deadline = patience.point() < job.deadline.point() ? patience : job.deadline;
  CALL_TRY(const auto changed,
           reconcile(deps, options, {.list_id = std::nullopt, .only_undriven = true}, deadline));
  return Json{{"changed", changed}};
}

/// Never in silence: the machine may be a person. Where the carrier does not take the words, the call goes
/// on until it does or until its own end.
Status say_farewell(const Deps& deps, const log::Logger& log, const std::string& sid,
                    std::string_view farewell, Deadline deadline) {
  using Action = carrier::UpdateCall::Action;
  const auto said =
      deps.carrier->update_call(sid, {Action::redirect, farewell_twiml(farewell)}, deadline);
  if (said) {
    log.debug("{} {}", sid,
              *said == carrier::UpdateOutcome::updated ? "hears a farewell, then is hung up"
                                                       : "was over already");
    return {};
  }
  const auto call = deps.carrier->fetch_call(sid, deadline);
  if (call && carrier::is_final(call->status)) {
    log.debug("{} was over already", sid);
    return {};
  }
  log.warn("{} gets no farewell and goes on: {}", sid, said.error().to_string());
  return said.error();
}

}  // namespace

Status end_call(const Deps& deps, std::string_view attempt_id, std::string_view call_sid,
                std::string_view farewell, Deadline deadline) {
  const auto log = log::Logger("dialer").with("attempt", attempt_id);
  std::string sid(call_sid);
  if (sid.empty()) {
    CALL_TRY(auto connection, deps.store->take(Deadline::after(kStorePatience)));
    CALL_TRY(const auto context, store::call_by_attempt(*connection, attempt_id));
    sid = context.call_sid;
  }
  if (sid.empty()) {
    log.debug("no call to end");
    return {};
  }
  if (!farewell.empty()) return say_farewell(deps, log, sid, farewell, deadline);
  using Action = carrier::UpdateCall::Action;
  CALL_TRY(const auto outcome, deps.carrier->update_call(sid, {Action::complete, {}}, deadline));
  log.debug("{} {}", sid,
            outcome == carrier::UpdateOutcome::updated ? "was hung up" : "was over already");
  return {};
}

Result<Json> cleanup(const Deps& deps, const Options& options, std::string_view source,
                     Deadline deadline) {
  const log::Logger log("cleanup");
  store::CleanupOptions store_options;
  store_options.source = source;
  store_options.unknown_deadline =
      std::chrono::ceil<std::chrono::seconds>(options.unknown_deadline);
  Json result;
  {
    // Evidence first: what the carrier can still prove must not be abandoned by the clock.
    auto reconciled = reconcile(deps, options, {}, deadline);
    if (!reconciled) log.warn("the carrier was not asked: {}", reconciled.error().to_string());
    result["reconciled"] = std::move(reconciled).value_or(0);
  }
  CALL_CRASH_POINT("cleanup.reconciled");
  redis::Connection redis(deps.redis, "calld-cleanup");
  auto orphans = orphaned_workers(redis, Orphans::remove, Deadline::after(kRedisPatience));
  if (!orphans) log.warn("registrations of dead workers stay: {}", orphans.error().to_string());
  store_options.found_elsewhere = std::move(orphans).value_or({});
  store_options.done_elsewhere = store_options.found_elsewhere;
  CALL_TRY(auto connection, deps.store->take(Deadline::after(kStorePatience)));
  CALL_TRY(const auto pass, store::cleanup_run(*connection, store_options));
  result["pass"] = pass.id;
  result["found"] = pass.found.size();
  result["done"] = pass.done.size();
  rq::Client queue(deps.redis);
  auto relayed = relay_outbox(*connection, queue, 0, deadline);
  if (!relayed) log.warn("the outbox waits: {}", relayed.error().to_string());
  result["relayed"] = std::move(relayed).value_or(0);
  log.info("pass {}: found {}, did {}", pass.id, pass.found.size(), pass.done.size());
  return result;
}

void register_jobs(rq::Registry& registry, Deps deps, Options options) {
  registry.add(std::string(store::kDialListJob),
               [deps, options](rq::JobContext& job) { return dial_list_job(deps, options, job); });
  registry.add(std::string(store::kEndCallJob),
               [deps, options](rq::JobContext& job) { return end_call_job(deps, options, job); });
  registry.add(std::string(kReconcileJob),
               [deps, options](rq::JobContext& job) { return reconcile_job(deps, options, job); });
  registry.add(std::string(kCleanupJob), [deps, options](rq::JobContext& job) {
    return cleanup(deps, options, job.worker, job.deadline);
  });
}

}  // namespace call::dialer
