#include "cmd/rq_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/list_json.hpp"
#include "cmd/session.hpp"
#include "core/rq/failures.hpp"

namespace call::cmd {

using nlohmann::json;

json text_or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

json job_row(const rq::JobInfo& job) {
  return {{"id", job.id},
          {"status", job.status},
          {"queue", text_or_null(job.queue)},
          {"function", text_or_null(job.function)},
          {"args", json::parse(job.args_json, nullptr, false)},
          {"worker", text_or_null(job.worker)},
          {"enqueued_at", time_or_null(job.enqueued_at)},
          {"started_at", time_or_null(job.started_at)},
          {"ended_at", time_or_null(job.ended_at)},
          {"reason", job.error_text.empty() ? json() : json(rq::last_line(job.error_text))}};
}

Result<rq::JobSet> job_set(std::string_view name) {
  if (const auto set = rq::parse_job_set(name)) return *set;
  return Error{Errc::invalid_argument,
               fmt::format("'{}' is no set of jobs: queued, started, finished, failed, deferred, "
                           "scheduled or canceled",
                           name)};
}

bool JobFilter::operator()(const rq::JobInfo& job) const {
  return (function.empty() || job.function == function) &&
         (reason.empty() || rq::last_line(job.error_text).find(reason) != std::string_view::npos);
}

Status walk_jobs(redis::Connection& redis, std::string_view queue, rq::JobSet set,
                 const std::function<bool(const rq::JobInfo&)>& each) {
  for (std::int64_t offset = 0;; offset += kJobsAtOnce) {
    CALL_TRY(const auto ids,
             rq::job_ids(redis, queue, set, offset, kJobsAtOnce, service_deadline()));
    CALL_TRY(const auto jobs, rq::jobs(redis, ids, service_deadline()));
    for (const auto& job : jobs)
      if (!each(job)) return {};
    if (static_cast<std::int64_t>(ids.size()) < kJobsAtOnce) return {};
  }
}

Status require_queue(redis::Connection& redis, std::string_view queue) {
  CALL_TRY(const auto queues, rq::queues(redis, service_deadline()));
  const bool known = std::any_of(queues.begin(), queues.end(),
                                 [&](const auto& info) { return info.name == queue; });
  if (known) return {};
  return Error{Errc::not_found, fmt::format("there is no queue '{}'", queue)};
}

}  // namespace call::cmd
