// callctl queue | job | worker: what stands in Redis, as RQ sees it.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "core/rq/reads.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct NoOptions {};

struct JobOptions {
  std::string id;
};

struct QueueOptions {
  std::string name;
  std::string set = "queued";
  int limit = 50;
};

template <class T>
json seconds_or_null(const std::optional<T>& span) {
  return span ? json(span->count()) : json();
}

json text_or_null(const std::string& text) {
  return text.empty() ? json() : json(text);
}

Result<Exit> list_queues(Session& session, const NoOptions&) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const auto queues, rq::queues(*redis, service_deadline()));
  json rows = json::array();
  for (const auto& queue : queues) {
    rows.push_back({{"name", queue.name},
                    {"queued", queue.queued},
                    {"oldest_s", seconds_or_null(queue.oldest_age)},
                    {"started", queue.started},
                    {"finished", queue.finished},
                    {"failed", queue.failed},
                    {"deferred", queue.deferred},
                    {"scheduled", queue.scheduled},
                    {"canceled", queue.canceled},
                    {"workers", queue.workers}});
  }
  const std::vector<Column> columns = {{"name", "QUEUE"},
                                       {"queued", "QUEUED", Align::right},
                                       {"oldest_s", "OLDEST s", Align::right},
                                       {"started", "STARTED", Align::right},
                                       {"finished", "FINISHED", Align::right},
                                       {"failed", "FAILED", Align::right},
                                       {"deferred", "DEFERRED", Align::right},
                                       {"scheduled", "SCHEDULED", Align::right},
                                       {"canceled", ""},
                                       {"workers", "WORKERS", Align::right}};
  CALL_CHECK(session.show(columns, rows));
  return kDone;
}

Result<Exit> show_queue(Session& session, const QueueOptions& options) {
  const auto set = rq::parse_job_set(options.set);
  if (!set) {
    return Error{Errc::invalid_argument,
                 fmt::format("'{}' is no set of jobs: queued, started, finished, failed, "
                             "deferred, scheduled or canceled",
                             options.set)};
  }
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const auto ids,
           rq::job_ids(*redis, options.name, *set, 0, options.limit, service_deadline()));
  json rows = json::array();
  for (const auto& id : ids) {
    auto job = rq::job(*redis, id, service_deadline());
    if (!job && job.error().code == Errc::not_found) {
      rows.push_back({{"id", id}, {"status", "expired"}});
      continue;
    }
    CALL_CHECK(job);
    rows.push_back({{"id", job->id},
                    {"status", job->status},
                    {"function", job->function},
                    {"args", json::parse(job->args_json, nullptr, false)},
                    {"enqueued_at", time_or_null(job->enqueued_at)},
                    {"ended_at", time_or_null(job->ended_at)}});
  }
  const std::vector<Column> columns = {
      {"id", "JOB", Align::left, true},    {"status", "STATUS"},        {"function", "FUNCTION"},
      {"args", "ARGS", Align::left, true}, {"enqueued_at", "ENQUEUED"}, {"ended_at", "ENDED"}};
  CALL_CHECK(session.show(columns, rows));
  return kDone;
}

Result<Exit> show_job(Session& session, const JobOptions& options) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const auto job, rq::job(*redis, options.id, service_deadline()));
  const json object = {
      {"id", job.id},
      {"status", job.status},
      {"queue", job.queue},
      {"function", text_or_null(job.function)},
      {"args", json::parse(job.args_json, nullptr, false)},
      {"kwargs", json::parse(job.kwargs_json, nullptr, false)},
      {"unreadable", text_or_null(job.unreadable)},
      {"worker", text_or_null(job.worker)},
      {"created_at", time_or_null(job.created_at)},
      {"enqueued_at", time_or_null(job.enqueued_at)},
      {"started_at", time_or_null(job.started_at)},
      {"ended_at", time_or_null(job.ended_at)},
      {"timeout_s", job.timeout_seconds ? json(*job.timeout_seconds) : json()},
      {"retries_left", job.retries_left ? json(*job.retries_left) : json()},
      {"result", job.result_json.empty() ? json() : json::parse(job.result_json, nullptr, false)},
      {"error", text_or_null(job.error_text)}};
  std::vector<Column> columns;
  for (const auto* key :
       {"id", "status", "queue", "function", "args", "kwargs", "unreadable", "worker", "created_at",
        "enqueued_at", "started_at", "ended_at", "timeout_s", "retries_left", "result", "error"}) {
    columns.push_back({key, key});
  }
  CALL_CHECK(session.show_one(columns, object));
  return kDone;
}

Result<Exit> change_job(Session& session, const JobOptions& options, const char* done,
                        Status (*change)(redis::Connection&, std::string_view, Deadline)) {
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(change(*redis, options.id, service_deadline()));
  session.say("job {} {}", options.id, done);
  return kDone;
}

Result<Exit> list_workers(Session& session, const NoOptions&) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const auto workers, rq::workers(*redis, service_deadline()));
  json rows = json::array();
  for (const auto& worker : workers) {
    rows.push_back({{"name", worker.name},
                    {"state", worker.state},
                    {"queues", worker.queues},
                    {"job", text_or_null(worker.current_job)},
                    {"heartbeat_s", seconds_or_null(worker.heartbeat_age)},
                    {"succeeded", worker.succeeded},
                    {"failed", worker.failed},
                    {"hostname", worker.hostname},
                    {"pid", worker.pid},
                    {"version", worker.version},
                    {"birth", time_or_null(worker.birth)}});
  }
  const std::vector<Column> columns = {{"name", "WORKER", Align::left, true},
                                       {"state", "STATE"},
                                       {"job", "JOB", Align::left, true},
                                       {"heartbeat_s", "BEAT s", Align::right},
                                       {"succeeded", "DONE", Align::right},
                                       {"failed", "FAILED", Align::right},
                                       {"queues", "QUEUES", Align::left, true},
                                       {"hostname", ""},
                                       {"pid", ""},
                                       {"version", ""},
                                       {"birth", ""}};
  CALL_CHECK(session.show(columns, rows));
  return kDone;
}

void declare_job(CLI::App& command, JobOptions& options) {
  command.add_option("job", options.id, "Job id")->required()->type_name("JOB");
}

}  // namespace

void add_queue_commands(CLI::App& app, Session& session) {
  auto* queue = add_group(app, "queue", "RQ queues");
  add_command<NoOptions>(
      *queue, session, "ls", "Queues with depth, oldest job's age and registries",
      [](CLI::App&, NoOptions&) {}, list_queues);
  add_command<QueueOptions>(
      *queue, session, "show", "Jobs of one queue",
      [](CLI::App& command, QueueOptions& options) {
        command.add_option("queue", options.name, "Name")->required()->type_name("QUEUE");
        command.add_option("--set", options.set, "Which jobs")
            ->type_name("SET")
            ->capture_default_str();
        command.add_option("--limit", options.limit, "At most so many")
            ->type_name("N")
            ->check(CLI::Range(1, 10000))
            ->capture_default_str();
      },
      show_queue);

  auto* job = add_group(app, "job", "RQ jobs");
  add_command<JobOptions>(*job, session, "show", "One job: status, arguments, result or error",
                          declare_job, show_job);
  add_command<JobOptions>(
      *job, session, "cancel", "Take a waiting job out of its queue", declare_job,
      [](Session& s, const JobOptions& o) { return change_job(s, o, "canceled", rq::cancel); });
  add_command<JobOptions>(
      *job, session, "requeue", "Put a failed, stopped or canceled job back", declare_job,
      [](Session& s, const JobOptions& o) { return change_job(s, o, "requeued", rq::requeue); });

  auto* worker = add_group(app, "worker", "RQ workers, ours and Python's");
  add_command<NoOptions>(
      *worker, session, "ls", "Workers with their state and job", [](CLI::App&, NoOptions&) {},
      list_workers);
}

}  // namespace call::cmd
