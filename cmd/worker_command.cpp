// callctl worker: whoever works on the queues, calld or Python's rq.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/rq_json.hpp"
#include "cmd/tables.hpp"
#include "core/config/value.hpp"
#include "core/rq/acts.hpp"
#include "core/rq/reads.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct NoOptions {};

struct StopOptions {
  std::string name;
};

struct SuspendOptions {
  std::string span;
  std::string confirm;
};

Result<Exit> list_workers(Session& session, const NoOptions&) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const auto workers, rq::workers(*redis, service_deadline()));
  CALL_TRY(const bool suspended, rq::suspended(*redis, service_deadline()));
  json rows = json::array();
  for (const auto& worker : workers) {
    rows.push_back(
        {{"name", worker.name},
         {"state", worker.state},
         {"queues", worker.queues},
         {"job", text_or_null(worker.current_job)},
         {"heartbeat_s", worker.heartbeat_age ? json(worker.heartbeat_age->count()) : json()},
         {"succeeded", worker.succeeded},
         {"failed", worker.failed},
         {"working_s", worker.working_seconds},
         {"hostname", worker.hostname},
         {"pid", worker.pid},
         {"version", worker.version},
         {"birth", time_or_null(worker.birth)}});
  }
  CALL_CHECK(session.show(table("worker ls"), rows));
  if (suspended) session.warn("all workers are suspended; see callctl worker resume");
  return kDone;
}

Result<Exit> stop_worker(Session& session, const StopOptions& options) {
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(rq::shut_down(*redis, options.name, service_deadline()));
  session.say("worker {} was told to finish its job and end", options.name);
  CALL_CHECK(session.show_done({{"worker", options.name}, {"told", true}}));
  return kDone;
}

Result<Exit> suspend(Session& session, const SuspendOptions& options) {
  std::chrono::seconds span{0};
  if (!options.span.empty()) {
    const auto parsed = config::parse_duration(options.span);
    if (!parsed || *parsed < std::chrono::seconds(1))
      return Error{
          Errc::invalid_argument,
          fmt::format("--for '{}' is no time; give one such as 30s, 10m or 2h", options.span)};
    span = std::chrono::ceil<std::chrono::seconds>(*parsed);
  }
  CALL_TRY(auto* redis, session.redis());
  CALL_CHECK(confirm(session, "let the jobs of every queue wait, Python's too: suspend", "all",
                     options.confirm));
  CALL_CHECK(rq::suspend(*redis, span, service_deadline()));
  session.say("no worker takes a job {}; running ones go on",
              options.span.empty() ? "until callctl worker resume" : "for " + options.span);
  CALL_CHECK(session.show_done(
      {{"suspended", true}, {"for_s", options.span.empty() ? json() : json(span.count())}}));
  return kDone;
}

Result<Exit> resume(Session& session, const NoOptions&) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(const bool was, rq::resume(*redis, service_deadline()));
  session.say("workers {}", was ? "take jobs again" : "were not suspended");
  CALL_CHECK(session.show_done({{"suspended", false}, {"changed", was}}));
  return kDone;
}

}  // namespace

void add_worker_commands(CLI::App& app, Session& session) {
  auto* worker = add_group(app, "worker", "RQ workers, ours and Python's");
  add_command<NoOptions>(
      *worker, session, "ls", "Workers with their state, job and last heartbeat",
      [](CLI::App&, NoOptions&) {}, list_workers);
  add_command<StopOptions>(
      *worker, session, "stop", "Tell one worker to finish its job and end",
      [](CLI::App& command, StopOptions& options) {
        command.add_option("worker", options.name, "Name")->required()->type_name("WORKER");
      },
      stop_worker);
  add_command<SuspendOptions>(
      *worker, session, "suspend", "Let no worker of any queue take a job",
      [](CLI::App& command, SuspendOptions& options) {
        command.add_option("--for", options.span, "Only for so long, e.g. 10m")->type_name("TIME");
        command.add_option("--confirm", options.confirm, "The word all, instead of asking")
            ->type_name("all");
      },
      suspend);
  add_command<NoOptions>(
      *worker, session, "resume", "Let suspended workers take jobs again",
      [](CLI::App&, NoOptions&) {}, resume);
}

}  // namespace call::cmd
