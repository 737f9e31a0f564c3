// callctl queue: the queues in Redis, as RQ sees them.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/rq_json.hpp"
#include "cmd/tables.hpp"
#include "core/rq/acts.hpp"
#include "core/rq/failures.hpp"
#include "core/rq/reads.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

constexpr std::int64_t kPurgeAtOnce = 500;

struct NoOptions {};

struct ShowOptions {
  std::string name;
  std::string set = "queued";
  bool by_reason = false;
  Limit limit{50};
};

struct ChangeOptions {
  std::string name;
  std::string set;
  JobFilter filter;
  std::string confirmed;
};

Result<Exit> list_queues(Session& session, const NoOptions&) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const auto queues, rq::queues(*redis, service_deadline()));
  CALL_TRY(const bool suspended, rq::suspended(*redis, service_deadline()));
  json rows = json::array();
  for (const auto& queue : queues) {
    rows.push_back({{"name", queue.name},
                    {"queued", queue.queued},
                    {"oldest_s", queue.oldest_age ? json(queue.oldest_age->count()) : json()},
                    {"started", queue.started},
                    {"finished", queue.finished},
                    {"failed", queue.failed},
                    {"deferred", queue.deferred},
                    {"scheduled", queue.scheduled},
                    {"canceled", queue.canceled},
                    {"workers", queue.workers}});
  }
  CALL_CHECK(session.show(table("queue ls"), rows));
  if (suspended) session.warn("all workers are suspended; see callctl worker resume");
  return kDone;
}

Result<Exit> show_reasons(Session& session, redis::Connection& redis, const ShowOptions& options) {
  rq::FailureGroups groups;
  CALL_CHECK(walk_jobs(redis, options.name, rq::JobSet::failed, [&](const rq::JobInfo& job) {
    groups.add(job);
    return true;
  }));
  json rows = json::array();
  for (const auto& group : groups.take()) {
    if (static_cast<int>(rows.size()) == options.limit.wanted()) break;
    rows.push_back({{"jobs", group.jobs},
                    {"function", text_or_null(group.function)},
                    {"reason", group.reason},
                    {"newest", time_or_null(group.newest)},
                    {"newest_job", group.newest_job}});
  }
  CALL_CHECK(session.show_some(table("queue show --by-reason"), std::move(rows), options.limit));
  return kDone;
}

Result<Exit> show_queue(Session& session, const ShowOptions& options) {
  CALL_TRY(const auto set, job_set(options.set));
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(require_queue(*redis, options.name));
  if (options.by_reason) return show_reasons(session, *redis, options);
  json rows = json::array();
  CALL_CHECK(walk_jobs(*redis, options.name, set, [&](const rq::JobInfo& job) {
    rows.push_back(job_row(job));
    return static_cast<int>(rows.size()) < options.limit.wanted();
  }));
  CALL_CHECK(session.show_some(table("job ls"), std::move(rows), options.limit));
  return kDone;
}

Result<Exit> requeue_failed(Session& session, const ChangeOptions& options) {
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(require_queue(*redis, options.name));
  std::vector<std::string> ids;
  CALL_CHECK(walk_jobs(*redis, options.name, rq::JobSet::failed, [&](const rq::JobInfo& job) {
    if (job.status != "expired" && options.filter(job)) ids.push_back(job.id);
    return true;
  }));
  if (!ids.empty())
    CALL_CHECK(confirm(session, fmt::format("run {} failed job(s) again of", ids.size()),
                       options.name, options.confirmed));
  std::int64_t done = 0;
  for (std::size_t i = 0; i < ids.size(); i += kJobsAtOnce) {
    const auto page = std::span(ids).subspan(i, std::min<std::size_t>(kJobsAtOnce, ids.size() - i));
    CALL_TRY(const auto count, rq::requeue_all(*redis, page, service_deadline()));
    done += count;
  }
  session.say("{} job(s) of '{}' put back", done, options.name);
  CALL_CHECK(session.show_done({{"queue", options.name}, {"requeued", done}}));
  return kDone;
}

Result<Exit> purge(Session& session, const ChangeOptions& options) {
  CALL_TRY(const auto set, job_set(options.set));
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(require_queue(*redis, options.name));
  CALL_CHECK(confirm(session, fmt::format("delete all {} jobs of", options.set), options.name,
                     options.confirmed));
  std::int64_t total = 0;
  while (true) {
    CALL_TRY(const auto count,
             rq::purge(*redis, options.name, set, kPurgeAtOnce, service_deadline()));
    total += count;
    if (count < kPurgeAtOnce) break;
  }
  session.say("{} {} job(s) of '{}' deleted", total, options.set, options.name);
  CALL_CHECK(
      session.show_done({{"queue", options.name}, {"set", options.set}, {"deleted", total}}));
  return kDone;
}

void declare_show(CLI::App& command, ShowOptions& options) {
  command.add_option("queue", options.name, "Name")->required()->type_name("QUEUE");
  auto* set = command.add_option("--set", options.set, "Which jobs")
                  ->type_name("SET")
                  ->capture_default_str();
  command.add_flag("--by-reason", options.by_reason, "Failed jobs, grouped by why they failed")
      ->excludes(set);
  declare_limit(command, options.limit);
}

void declare_confirm(CLI::App& command, ChangeOptions& options) {
  command.add_option("queue", options.name, "Name")->required()->type_name("QUEUE");
  command
      .add_option("--confirm", options.confirmed, "The queue's name again, instead of a question")
      ->type_name("QUEUE");
}

void declare_requeue(CLI::App& command, ChangeOptions& options) {
  declare_confirm(command, options);
  command.add_option("--function", options.filter.function, "Only jobs of this function")
      ->type_name("NAME");
  command
      .add_option("--reason", options.filter.reason,
                  "Only jobs whose error has this in its last line")
      ->type_name("TEXT");
}

void declare_purge(CLI::App& command, ChangeOptions& options) {
  declare_confirm(command, options);
  options.set = "queued";
  command.add_option("--set", options.set, "Which jobs")->type_name("SET")->capture_default_str();
}

}  // namespace

void add_queue_commands(CLI::App& app, Session& session) {
  auto* queue = add_group(app, "queue", "RQ queues");
  add_command<NoOptions>(
      *queue, session, "ls", "Queues with depth, oldest job's age and registries",
      [](CLI::App&, NoOptions&) {}, list_queues);
  add_command<ShowOptions>(*queue, session, "show", "Jobs of one queue, or why its jobs fail",
                           declare_show, show_queue);
  add_command<ChangeOptions>(*queue, session, "requeue", "Put failed jobs back, all or some",
                             declare_requeue, requeue_failed);
  add_command<ChangeOptions>(*queue, session, "purge", "Delete all jobs of one set", declare_purge,
                             purge);
}

}  // namespace call::cmd
