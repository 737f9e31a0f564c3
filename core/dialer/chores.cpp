#include "core/dialer/chores.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/dialer/relay.hpp"
#include "core/json/json.hpp"
#include "core/rq/reads.hpp"
#include "core/store/dialing.hpp"
#include "core/store/outbox.hpp"

namespace call::dialer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRound{5000};
constexpr int kWritersChanceMs = 1000;
constexpr std::int64_t kMostWaiting = 10000;
constexpr std::string_view kReconcileQueue = "default";
constexpr std::chrono::seconds kReconcileLimit{120};

}  // namespace

Chores::Chores(const Deps& deps, Options options)
    : deps_(deps),
      options_(std::move(options)),
      queue_(deps.redis),
      reconcile_at_(MonoClock::now() + reconcile_every(options_)) {}

void Chores::tick() {
  const auto done = round(Deadline::after(kRound));
  if (done) return;
  if (const auto hidden = failures_.admit())
    log_.warn("{} ({} more not shown)", done.error().to_string(), *hidden);
}

Status Chores::round(Deadline deadline) {
  {
    CALL_TRY(auto connection, deps_.store->take(deadline));
    CALL_CHECK(relay_outbox(*connection, queue_, kWritersChanceMs, deadline)
                   .with_context("relaying the outbox"));
  }
  CALL_CHECK(revive_lists(deadline).with_context("looking for lists without a driver"));
  if (MonoClock::now() < reconcile_at_) return {};
  reconcile_at_ = MonoClock::now() + reconcile_every(options_);
  return ask_to_reconcile(deadline).with_context("looking for attempts without news");
}

Status Chores::ask_to_reconcile(Deadline deadline) {
  CALL_TRY(auto connection, deps_.store->take(deadline));
  CALL_TRY(const auto stale,
           store::stale_attempts(*connection, {.list_id = std::nullopt, .only_undriven = true},
                                 options_.unknown_grace, options_.overdue_grace, 1));
  if (stale.empty()) return {};
  // The same id for all workers within one period. Nothing of the job is kept, so that the next
  // period's finds its place.
  rq::EnqueueOptions job;
  const auto period = wall_now().time_since_epoch() / reconcile_every(options_);
  job.job_id = fmt::format("reconcile-{}", period);
  job.unique = true;
  job.timeout = kReconcileLimit;
  job.result_ttl = std::chrono::seconds(30);
  job.failure_ttl = std::chrono::seconds(300);
  CALL_CHECK(queue_.enqueue(kReconcileQueue, kReconcileJob, Json::array(), job, deadline));
  return {};
}

Result<std::size_t> Chores::revive_lists(Deadline deadline) {
  CALL_TRY(auto connection, deps_.store->take(deadline));
  CALL_TRY(const auto idle, store::lists_without_driver(*connection));
  if (idle.empty()) return std::size_t{0};
  CALL_TRY(auto* redis, queue_.connection(deadline));
  CALL_TRY(const auto waiting,
           rq::job_ids(*redis, store::kDialQueue, rq::JobSet::queued, 0, kMostWaiting, deadline));
  std::size_t revived = 0;
  for (const auto list_id : idle) {
    const auto prefix = fmt::format("dial_list-{}-", list_id);
    const auto is_its = [&](const std::string& id) { return id.starts_with(prefix); };
    if (std::any_of(waiting.begin(), waiting.end(), is_its)) continue;
    CALL_TRY(const auto job, store::add_job(*connection, std::nullopt, store::kDialQueue,
                                            store::kDialListJob, fmt::format("[{}]", list_id)));
    try_relay(*connection, queue_, {job}, deadline);
    log_.with("list", list_id).info("running without a driver: a new one is on its way");
    ++revived;
  }
  return revived;
}

}  // namespace call::dialer
