#include "core/rq/meters.hpp"

#include <utility>

#include "core/metrics/metrics.hpp"
#include "core/rq/reads.hpp"
#include "core/rq/registry.hpp"

namespace call::rq {
namespace {

std::vector<double> run_seconds() {
  return {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800, 7200};
}

}  // namespace

std::string Meters::label(const std::string& function) const {
  return functions_.find(function) == nullptr ? "unknown" : function;
}

void Meters::claimed(const std::string& queue) const {
  if (registry_ == nullptr) return;
  registry_->counter("calld_rq_jobs_claimed_total", "Jobs taken from queues", {{"queue", queue}})
      .add();
}

void Meters::begins(const std::string& queue, const std::string& function) const {
  if (registry_ == nullptr) return;
  registry_
      ->gauge("calld_rq_jobs_running", "Jobs whose function runs in this worker",
              {{"queue", queue}, {"function", label(function)}})
      .add();
}

void Meters::returned(const std::string& queue, const std::string& function) const {
  if (registry_ == nullptr) return;
  registry_
      ->gauge("calld_rq_jobs_running", "Jobs whose function runs in this worker",
              {{"queue", queue}, {"function", label(function)}})
      .sub();
}

void Meters::ended(const std::string& queue, const std::string& function, std::string_view end,
                   double seconds) const {
  if (registry_ == nullptr) return;
  const auto name = label(function);
  registry_
      ->counter("calld_rq_jobs_ended_total", "Jobs that this worker has settled, by how",
                {{"queue", queue}, {"function", name}, {"end", std::string(end)}})
      .add();
  registry_
      ->histogram("calld_rq_job_seconds", "Time from taking a job to its end", run_seconds(),
                  {{"queue", queue}, {"function", name}})
      .observe(seconds);
}

void Meters::found(const std::string& queue, std::string_view fate, std::int64_t jobs) const {
  if (registry_ == nullptr || jobs <= 0) return;
  registry_
      ->counter("calld_rq_jobs_abandoned_total",
                "Jobs whose worker is gone that this worker has found, by what became of them",
                {{"queue", queue}, {"fate", std::string(fate)}})
      .add(static_cast<std::uint64_t>(jobs));
}

void Meters::depth(const QueueInfo& queue) const {
  if (registry_ == nullptr) return;
  const std::pair<const char*, std::int64_t> sets[] = {
      {"queued", queue.queued},     {"started", queue.started},   {"finished", queue.finished},
      {"failed", queue.failed},     {"deferred", queue.deferred}, {"scheduled", queue.scheduled},
      {"canceled", queue.canceled},
  };
  for (const auto& [set, jobs] : sets)
    registry_
        ->gauge("calld_rq_queue_jobs", "Jobs of a queue in Redis, by where they are",
                {{"queue", queue.name}, {"set", set}})
        .set(jobs);
  registry_
      ->gauge("calld_rq_queue_oldest_seconds", "Age of the job at the head of a queue, 0 without",
              {{"queue", queue.name}})
      .set(queue.oldest_age ? queue.oldest_age->count() : 0);
}

}  // namespace call::rq
