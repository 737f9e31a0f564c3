#include "core/dialer/relay.hpp"

#include <iterator>
#include <nlohmann/json.hpp>

#include "core/base/crash_point.hpp"
#include "core/json/json.hpp"
#include "core/log/log.hpp"

namespace call::dialer {
namespace {

using std::chrono::seconds;

constexpr int kBatch = 100;

rq::EnqueueOptions options_of(const store::OutboxJob& job) {
  rq::EnqueueOptions options;
  options.job_id = job.job_id;
  options.unique = true;
  // A driver leaves after its slice; the limit only ends one that hangs. RQ's retry is never used
  // for dialing: a second run comes from the store, which knows what was sent.
  if (job.function == store::kDialListJob) options.timeout = seconds(600);
  if (job.function == store::kEndCallJob) {
    options.retries = 3;
    options.retry_intervals = {seconds(2), seconds(5), seconds(15)};
  }
  return options;
}

Status push(store::Connection& store, rq::Client& queue, const store::OutboxJob& job,
            Deadline deadline) {
  CALL_TRY(const auto args, json::parse(job.args_json, {}, "the job's arguments"));
  CALL_TRY(const auto pushed,
           queue.enqueue(job.queue, job.function, args, options_of(job), deadline));
  CALL_CRASH_POINT("relay.pushed");
  const log::Logger log("dialer");
  log.debug("{}{} is in queue {} as {}", job.function, job.args_json, job.queue, pushed.job_id);
  return store::mark_sent(store, {job.id});
}

/// A row that no queue will ever take must not block those behind it.
Status give_up(store::Connection& store, const store::OutboxJob& job, const Error& why) {
  const log::Logger log("dialer");
  log.error("{} can not be enqueued and is dropped: {}", job.job_id, why.to_string());
  return store::mark_sent(store, {job.id});
}

}  // namespace

std::size_t try_relay(store::Connection& store, rq::Client& queue,
                      const std::vector<store::OutboxJob>& jobs, Deadline deadline) {
  std::size_t sent = 0;
  for (const auto& job : jobs) {
    const auto pushed = push(store, queue, job, deadline);
    if (!pushed) {
      const log::Logger log("dialer");
      log.debug("{} waits in the outbox: {}", job.job_id, pushed.error().to_string());
      break;
    }
    ++sent;
  }
  return sent;
}

Result<std::size_t> relay_outbox(store::Connection& store, rq::Client& queue, int older_than_ms,
                                 Deadline deadline) {
  std::size_t sent = 0;
  while (!deadline.passed()) {
    CALL_TRY(const auto jobs, store::unsent_jobs(store, kBatch, older_than_ms));
    for (const auto& job : jobs) {
      const auto pushed = push(store, queue, job, deadline);
      if (!pushed && pushed.error().code == Errc::invalid_argument) {
        CALL_CHECK(give_up(store, job, pushed.error()));
        continue;
      }
      if (!pushed) return Error(pushed.error()).with_context(job.job_id);
      ++sent;
    }
    if (std::ssize(jobs) < kBatch) break;
  }
  return sent;
}

}  // namespace call::dialer
