// callctl job: single jobs of RQ queues.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/input.hpp"
#include "cmd/list_json.hpp"
#include "cmd/rq_json.hpp"
#include "cmd/tables.hpp"
#include "core/base/strings.hpp"
#include "core/rq/acts.hpp"
#include "core/rq/client.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;
using std::chrono::seconds;

struct JobOptions {
  std::string id;
  std::string confirmed;
};

struct ListOptions {
  std::string queue;
  std::vector<std::string> sets;
  JobFilter filter;
  Limit limit{50};
};

struct EnqueueOptions {
  std::string queue;
  std::string function;
  std::vector<std::string> args;
  std::vector<std::string> kwargs;
  rq::EnqueueOptions job;
  std::string in;
  std::string at;
  std::string timeout;
  std::string result_ttl;
  std::string ttl;
  std::vector<std::string> retry_intervals;
  bool wait = false;
  std::string wait_timeout;
};

Result<Exit> list_jobs(Session& session, const ListOptions& options) {
  std::vector<rq::JobSet> sets;
  for (const auto& name : options.sets) {
    CALL_TRY(const auto set, job_set(name));
    sets.push_back(set);
  }
  CALL_TRY(auto* redis, session.redis());
  if (!options.queue.empty()) CALL_CHECK(require_queue(*redis, options.queue));
  CALL_TRY(const auto queues, rq::queues(*redis, service_deadline()));
  json rows = json::array();
  for (const auto& queue : queues) {
    if (!options.queue.empty() && queue.name != options.queue) continue;
    for (const auto set : sets)
      CALL_CHECK(walk_jobs(*redis, queue.name, set, [&](const rq::JobInfo& job) {
        if (static_cast<int>(rows.size()) == options.limit.wanted()) return false;
        if (options.filter(job)) rows.push_back(job_row(job));
        return true;
      }));
  }
  CALL_CHECK(session.show_some(table("job ls"), std::move(rows), options.limit));
  return kDone;
}

json full_json(const rq::JobInfo& job) {
  const auto number = [](const std::optional<int>& value) { return value ? json(*value) : json(); };
  const auto parsed = [](const std::string& text) {
    return text.empty() ? json() : json::parse(text, nullptr, false);
  };
  return {{"id", job.id},
          {"status", job.status},
          {"queue", job.queue},
          {"description", text_or_null(job.description)},
          {"function", text_or_null(job.function)},
          {"args", parsed(job.args_json)},
          {"kwargs", parsed(job.kwargs_json)},
          {"meta", parsed(job.meta_json)},
          {"unreadable", text_or_null(job.unreadable)},
          {"depends_on", job.depends_on},
          {"worker", text_or_null(job.worker)},
          {"created_at", time_or_null(job.created_at)},
          {"enqueued_at", time_or_null(job.enqueued_at)},
          {"started_at", time_or_null(job.started_at)},
          {"ended_at", time_or_null(job.ended_at)},
          {"timeout_s", number(job.timeout_seconds)},
          {"retries_left", number(job.retries_left)},
          {"result_ttl_s", number(job.result_ttl_seconds)},
          {"failure_ttl_s", number(job.failure_ttl_seconds)},
          {"result", parsed(job.result_json)},
          {"error", text_or_null(job.error_text)}};
}

Status show_full(Session& session, const rq::JobInfo& job) {
  return session.show_one(table("job show"), full_json(job));
}

Result<Exit> show_job(Session& session, const JobOptions& options) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const auto job, rq::job(*redis, options.id, service_deadline()));
  CALL_CHECK(show_full(session, job));
  return kDone;
}

using Change = Status (*)(redis::Connection&, std::string_view, Deadline);

/// `action` is for scripts, `done` for people.
Result<Exit> change_job(Session& session, const JobOptions& options, const char* action,
                        const char* done, Change change) {
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(change(*redis, options.id, service_deadline()));
  session.say("job {} {}", options.id, done);
  CALL_CHECK(session.show_done({{"id", options.id}, {"action", action}}));
  return kDone;
}

Result<Exit> delete_job(Session& session, const JobOptions& options) {
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(rq::job(*redis, options.id, service_deadline()));
  CALL_CHECK(confirm(session, "delete the job", options.id, options.confirmed));
  return change_job(session, options, "delete", "deleted", rq::remove);
}

// --- enqueue ---

/// What is JSON is that; everything else is text.
json value_of(const std::string& word) {
  auto value = json::parse(word, nullptr, false);
  return value.is_discarded() ? json(word) : value;
}

Result<json> kwargs_of(const EnqueueOptions& options) {
  json out = json::object();
  for (const auto& word : options.kwargs) {
    const auto equals = word.find('=');
    if (equals == std::string::npos || equals == 0)
      return Error{Errc::invalid_argument, fmt::format("--kwarg '{}' is not NAME=VALUE", word)};
    out[word.substr(0, equals)] = value_of(word.substr(equals + 1));
  }
  return out;
}

/// "90s", "10m" ...; with `endless`, "-1", too.
Status read_span(std::string_view option, const std::string& text, bool endless, seconds& out) {
  if (text.empty()) return {};
  if (endless && text == "-1") {
    out = seconds(-1);
    return {};
  }
  const auto parsed = parse_span(text);
  if (!parsed)
    return Error{Errc::invalid_argument,
                 fmt::format("{} '{}' is no time; give one such as 30s, 10m or 2h{}", option, text,
                             endless ? ", or -1 for no limit" : "")};
  out = *parsed;
  return {};
}

Result<rq::EnqueueOptions> job_options(const EnqueueOptions& options) {
  rq::EnqueueOptions job = options.job;
  if (job.unique && job.job_id.empty())
    return Error{Errc::invalid_argument, "--unique needs the --id that may exist only once"};
  CALL_CHECK(read_span("--timeout", options.timeout, true, job.timeout));
  CALL_CHECK(read_span("--result-ttl", options.result_ttl, true, job.result_ttl));
  if (!options.ttl.empty()) {
    seconds ttl{0};
    CALL_CHECK(read_span("--ttl", options.ttl, false, ttl));
    job.ttl = ttl;
  }
  for (const auto& text : options.retry_intervals) {
    seconds interval{0};
    CALL_CHECK(read_span("--retry-interval", text, false, interval));
    job.retry_intervals.push_back(interval);
  }
  if (!options.in.empty()) {
    seconds wait{0};
    CALL_CHECK(read_span("--in", options.in, false, wait));
    job.at = wall_now() + wait;
  }
  if (!options.at.empty()) {
    job.at = parse_rfc3339(options.at);
    if (!job.at)
      return Error{
          Errc::invalid_argument,
          fmt::format("--at '{}' is no time; give one such as 2027-01-31T08:00:00Z", options.at)};
  }
  return job;
}

/// Until the job has ended: its results stream says when to look again. Errc::conflict when the time is up.
Result<rq::JobInfo> wait_for_end(redis::Connection& redis, const std::string& id,
                                 Deadline deadline) {
  constexpr std::array kEnds = {"finished", "failed", "stopped", "canceled", "expired"};
  std::string last = "0";
  while (true) {
    const std::array ids = {id};
    CALL_TRY(auto jobs, rq::jobs(redis, ids, service_deadline()));
    if (std::find(kEnds.begin(), kEnds.end(), jobs[0].status) != kEnds.end())
      return std::move(jobs[0]);
    if (deadline.passed()) {
      return Error{Errc::conflict,
                   fmt::format("job {} has not ended yet, it is {}", id, jobs[0].status)};
    }
    CALL_CHECK(
        redis.command(redis::cmd("XREAD", "BLOCK", "1000", "STREAMS", "rq:results:" + id, last),
                      Deadline::after(seconds(10))));
    last = "$";
  }
}

Result<Exit> enqueue(Session& session, const EnqueueOptions& options) {
  CALL_TRY(const auto job, job_options(options));
  CALL_TRY(const auto kwargs, kwargs_of(options));
  if (!options.wait_timeout.empty() && !options.wait)
    return Error{Errc::invalid_argument, "--wait-timeout goes with --wait"};
  seconds patience{0};
  CALL_CHECK(read_span("--wait-timeout", options.wait_timeout, false, patience));
  json args = json::array();
  for (const auto& word : options.args) args.push_back(value_of(word));
  CALL_TRY(auto* client, session.queue());
  CALL_TRY(const auto made,
           client->enqueue(options.queue, options.function, args, kwargs, job, service_deadline()));
  if (!made.created) session.say("job {} exists; nothing was enqueued", made.job_id);
  if (!options.wait) {
    CALL_CHECK(session.show_one({{"id", "id"}, {"created", "created"}},
                                {{"id", made.job_id}, {"created", made.created}}));
    return kDone;
  }
  CALL_TRY(auto* redis, session.redis());
  const auto deadline =
      options.wait_timeout.empty() ? Deadline::never() : Deadline::after(patience);
  CALL_TRY(const auto ended, wait_for_end(*redis, made.job_id, deadline));
  CALL_CHECK(show_full(session, ended));
  return ended.status == "finished" ? kDone : kFailed;
}

// --- the command line ---

void declare_job(CLI::App& command, JobOptions& options) {
  command.add_option("job", options.id, "Job id")->required()->type_name("JOB");
}

void declare_delete(CLI::App& command, JobOptions& options) {
  declare_job(command, options);
  command.add_option("--confirm", options.confirmed, "The job's id again, instead of a question")
      ->type_name("JOB");
}

void declare_list(CLI::App& command, ListOptions& options) {
  options.sets = {"queued", "started", "failed", "deferred", "scheduled"};
  command.add_option("--queue", options.queue, "Of this queue only")->type_name("QUEUE");
  command.add_option("--set", options.sets, "Which jobs; may be repeated")
      ->type_name("SET")
      ->allow_extra_args(false)
      ->capture_default_str();
  command.add_option("--function", options.filter.function, "Of this function only")
      ->type_name("NAME");
  command.add_option("--reason", options.filter.reason, "Whose error has this in its last line")
      ->type_name("TEXT");
  declare_limit(command, options.limit);
}

/// Any number of words, each as typed. An option that "allows extra arguments" would have CLI11 take
/// '[1,2]' apart as two words; one that lacks a great many takes what comes, and TakeAll does not
/// mind that they never do.
void take_words(CLI::Option* words) {
  constexpr int kMost = 1 << 20;
  constexpr int kNoLimit = -1;
  words->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->expected(kMost, kNoLimit)
      ->allow_extra_args(false)
      ->option_text("ARG ...");
}

void declare_enqueue(CLI::App& command, EnqueueOptions& o) {
  auto& job = o.job;
  command.add_option("queue", o.queue, "Queue")->required()->type_name("QUEUE");
  command.add_option("function", o.function, "What to call")->required()->type_name("FUNCTION");
  take_words(command.add_option("args", o.args, "Arguments: JSON, or else text"));
  command.add_option("--kwarg", o.kwargs, "Named argument; may be repeated")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command.add_option("--id", job.job_id, "Id of the job, else a random one")->type_name("ID");
  command.add_flag("--unique", job.unique, "Do nothing when a job of this id exists");
  command.add_flag("--front", job.at_front, "Before all that wait");
  auto* in = command.add_option("--in", o.in, "Not before so long, e.g. 10m")->type_name("TIME");
  command.add_option("--at", o.at, "Not before then, RFC 3339")->type_name("WHEN")->excludes(in);
  command.add_option("--depends-on", job.depends_on, "Only after this job; may be repeated")
      ->type_name("JOB")
      ->allow_extra_args(false);
  command.add_option("--timeout", o.timeout, "Longest run; -1 for no limit")->type_name("TIME");
  command.add_option("--ttl", o.ttl, "Drop it when it has not begun by then")->type_name("TIME");
  command.add_option("--result-ttl", o.result_ttl, "Keep the result so long; -1 for ever")
      ->type_name("TIME");
  command.add_option("--retries", job.retries, "Run it again so often when it fails")
      ->type_name("N")
      ->check(CLI::Range(0, 1000));
  command
      .add_option("--retry-interval", o.retry_intervals, "Pause before a retry; may be repeated")
      ->type_name("TIME")
      ->allow_extra_args(false);
  command.add_option("--description", job.description, "For people")->type_name("TEXT");
  command.add_flag("--wait", o.wait, "Wait for its end and show it; exit 1 unless it finished");
  command
      .add_option("--wait-timeout", o.wait_timeout, "With --wait: give up after so long (exit 1)")
      ->type_name("TIME");
}

}  // namespace

void add_job_commands(CLI::App& app, Session& session) {
  auto* job = add_group(app, "job", "RQ jobs");
  const auto add_change = [&](const char* name, const char* help, const char* done, Change change) {
    add_command<JobOptions>(*job, session, name, help, declare_job,
                            [name, done, change](Session& s, const JobOptions& o) {
                              return change_job(s, o, name, done, change);
                            });
  };
  add_command<ListOptions>(*job, session, "ls", "Jobs of all queues, or some", declare_list,
                           list_jobs);
  add_command<JobOptions>(*job, session, "show", "One job: status, arguments, result or error",
                          declare_job, show_job);
  add_command<EnqueueOptions>(*job, session, "enqueue", "Put a job into a queue", declare_enqueue,
                              enqueue);
  add_change("cancel", "Take a waiting job out of its queue", "canceled", rq::cancel);
  add_change("requeue", "Put a failed, stopped or canceled job back", "requeued", rq::requeue);
  add_change("stop", "Stop a running job", "is told to stop", rq::stop);
  add_command<JobOptions>(*job, session, "delete", "Delete a job that does not run", declare_delete,
                          delete_job);
}

}  // namespace call::cmd
