// The C++ side of the interop suite.
//
//   interop_worker work URL QUEUES [name=N] [concurrency=N] [burst=1] [drain=MS] [counter=URL]
//                  [unknown_callbacks=ignore] [exec=PROGRAM] [exec_cpu=S] [exec_output=BYTES] [exec_memory=MIB]
//       times of its own: [lease=S] [beat=MS] [maintain=MS] [ttl=S], or the product's: [defaults=1]
//   interop_worker enqueue URL QUEUE FUNCTION ARGS_JSON [id=ID] [unique=1] [front=1] [in=S] [retries=N]
//                  [front_on_retry=1] [repeats=N] [ttl=S] [depends=ID,ID] [allow_failure=1] [group=G]
//                  [on_success=F] [on_failure=F] [meta=JSON] [serializer=json]
//   interop_worker job URL ID
//   interop_worker requeue|cancel|cancel_releasing|remove|stop URL ID
//   interop_worker shut_down URL WORKER
//   interop_worker queues|workers|suspend|resume URL
//
// Results are JSON on standard output; an error is one line on standard error and exit status 1.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/strings.hpp"
#include "core/json/json.hpp"
#include "core/redis/endpoint.hpp"
#include "core/rq/acts.hpp"
#include "core/rq/client.hpp"
#include "core/rq/reads.hpp"
#include "core/rq/worker.hpp"
#include "core/runtime/shutdown.hpp"

namespace {

using call::Deadline;
using call::Errc;
using call::Error;
using call::Json;
using call::Result;
using call::Status;
namespace rq = call::rq;
namespace redis = call::redis;

using Options = std::map<std::string, std::string, std::less<>>;

Deadline soon() {
  return Deadline::after(std::chrono::seconds(10));
}

long number(const Options& options, std::string_view name, long fallback) {
  const auto found = options.find(name);
  return found == options.end() ? fallback
                                : call::parse_number<long>(found->second).value_or(fallback);
}

std::string text(const Options& options, std::string_view name) {
  const auto found = options.find(name);
  return found == options.end() ? std::string() : found->second;
}

/// Until the time is over or the job is asked to stop.
Result<Json> nap(rq::JobContext& context, double seconds) {
  const auto end = Deadline::after(std::chrono::milliseconds(static_cast<int>(seconds * 1000)));
  while (!end.passed()) {
    if (context.stop.stop_requested()) return Error{Errc::cancelled, "asked to stop"};
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return Json("slept");
}

/// Adds 1 to a counter, so that the suite can count the runs of a job.
Result<Json> count(const redis::Endpoint& endpoint, const std::string& key) {
  thread_local redis::Connection connection(endpoint);
  CALL_CHECK(connection.ensure_connected(soon()));
  CALL_TRY(const auto reply, connection.command(redis::cmd("INCR", key), soon()));
  return Json(reply.integer);
}

/// What callbacks were told, for the suite to read.
Result<Json> note(const redis::Endpoint& endpoint, const std::string& text) {
  redis::Connection connection(endpoint);
  CALL_CHECK(connection.ensure_connected(soon()));
  CALL_CHECK(connection.command(redis::cmd("RPUSH", "noted", text), soon()));
  return Json();
}

rq::Registry functions(const redis::Endpoint& endpoint) {
  rq::Registry registry;
  registry.add("calld.noop", rq::noop);
  registry.add("calld.echo", [](rq::JobContext& context) -> Result<Json> {
    return Json{{"args", context.args}, {"kwargs", context.kwargs}};
  });
  registry.add("calld.first",
               [](rq::JobContext& context) -> Result<Json> { return Json(context.args.at(0)); });
  registry.add("calld.add", [](rq::JobContext& context) -> Result<Json> {
    return Json(context.args.at(0).get<long>() + context.args.at(1).get<long>());
  });
  registry.add("calld.fail", [](rq::JobContext& context) -> Result<Json> {
    return Error{Errc::unavailable, context.args.at(0).get<std::string>()};
  });
  registry.add("calld.sleep", [](rq::JobContext& context) {
    return nap(context, context.args.at(0).get<double>());
  });
  registry.add("calld.long", [](rq::JobContext& context) { return nap(context, 60); });
  registry.add("calld.stubborn", [](rq::JobContext& context) -> Result<Json> {
    const auto span = static_cast<int>(context.args.at(0).get<double>() * 1000);
    std::this_thread::sleep_for(std::chrono::milliseconds(span));
    return Json("done");
  });
  // A callback that ignores its stop request, longer than it has time.
  registry.add("calld.deaf", [endpoint](rq::JobContext& context) -> Result<Json> {
    CALL_CHECK(note(endpoint, call::json::dump(context.args)));
    std::this_thread::sleep_for(std::chrono::seconds(4));
    return Json();
  });
  registry.add("calld.hang", [](rq::JobContext& context) { return nap(context, 60); });
  registry.add("calld.note", [endpoint](rq::JobContext& context) -> Result<Json> {
    return note(endpoint, call::json::dump(context.args));
  });
  registry.add("calld.progress", [](rq::JobContext& context) -> Result<Json> {
    for (int percent = 0; percent <= 100; percent += 5) {
      CALL_CHECK(context.set_meta("percent", percent));
      CALL_CHECK(nap(context, context.args.at(0).get<double>() / 20));
    }
    return Json("done");
  });
  // Asks for another run until the counter has reached args[1]; gives up after args[2] tries.
  registry.add("calld.ask_again", [endpoint](rq::JobContext& context) -> Result<Json> {
    CALL_TRY(const auto runs, count(endpoint, context.args.at(0).get<std::string>()));
    if (runs.get<long>() < context.args.at(1).get<long>())
      context.retry = rq::Retry{context.args.at(2).get<int>(), {std::chrono::seconds(0)}};
    return runs;
  });
  registry.add("calld.count", [endpoint](rq::JobContext& context) {
    return count(endpoint, context.args.at(0).get<std::string>());
  });
  registry.add("calld.count_and_sleep", [endpoint](rq::JobContext& context) -> Result<Json> {
    CALL_CHECK(count(endpoint, context.args.at(0).get<std::string>()));
    return nap(context, context.args.at(1).get<double>());
  });
  return registry;
}

Status work(const redis::Endpoint& endpoint, const std::string& queues, const Options& options) {
  rq::WorkerOptions worker_options;
  worker_options.redis = endpoint;
  worker_options.queues.clear();
  for (const auto queue : call::split(queues, ',')) worker_options.queues.emplace_back(queue);
  worker_options.name = text(options, "name");
  worker_options.concurrency = static_cast<int>(number(options, "concurrency", 1));
  worker_options.burst = number(options, "burst", 0) != 0;
  worker_options.aliases = {{"old.package.tasks.add", "calld.add"},
                            {"tasks.sleep", "calld.first"},
                            {"tasks.nap", "calld.long"}};
  if (const auto program = text(options, "exec"); !program.empty())
    worker_options.aliases["tasks.program"] = "exec:" + program;
  worker_options.exec.cpu = std::chrono::seconds(number(options, "exec_cpu", 0));
  worker_options.exec.output_bytes =
      static_cast<std::size_t>(number(options, "exec_output", 65536));
  worker_options.exec.memory_bytes = static_cast<std::uint64_t>(number(options, "exec_memory", 0))
                                     << 20;
  worker_options.unknown_callbacks_fail = text(options, "unknown_callbacks") != "ignore";
  if (number(options, "defaults", 0) == 0) {
    worker_options.lease = std::chrono::seconds(number(options, "lease", 3));
    worker_options.heartbeat_every = std::chrono::milliseconds(number(options, "beat", 500));
    worker_options.maintain_every = std::chrono::milliseconds(number(options, "maintain", 500));
  }
  worker_options.worker_ttl =
      std::chrono::seconds(number(options, "ttl", worker_options.worker_ttl.count()));
  worker_options.drain_grace = std::chrono::milliseconds(number(options, "drain", 1000));
  worker_options.overrun_grace = std::chrono::milliseconds(500);
  if (text(options, "wip") == "bare") worker_options.wip_entry = rq::WipEntry::bare;

  // Runs are counted on a way of their own when the worker's leads through a proxy.
  const auto counter = text(options, "counter");
  CALL_TRY(const auto counted, counter.empty() ? Result(endpoint) : redis::parse_url(counter));

  call::runtime::Shutdown shutdown;
  rq::Worker worker(worker_options, functions(counted));
  std::atomic<bool> over{false};
  std::thread signals([&] {
    while (!over)
      if (shutdown.wait(Deadline::never())) worker.request_stop();
  });
  auto status = worker.run();
  over = true;
  shutdown.request();
  signals.join();
  return status;
}

Result<Json> enqueue(const redis::Endpoint& endpoint, const std::vector<std::string>& words,
                     const Options& options) {
  if (words.size() < 3) return Error{Errc::invalid_argument, "enqueue QUEUE FUNCTION ARGS"};
  CALL_TRY(const auto args, call::json::parse(words[2]));
  rq::EnqueueOptions enqueue_options;
  enqueue_options.job_id = text(options, "id");
  enqueue_options.unique = number(options, "unique", 0) != 0;
  enqueue_options.at_front = number(options, "front", 0) != 0;
  enqueue_options.retries = static_cast<int>(number(options, "retries", 0));
  if (const long wait = number(options, "in", 0); wait > 0)
    enqueue_options.at = call::wall_now() + std::chrono::seconds(wait);
  const auto depends = text(options, "depends");
  for (const auto id : call::split(depends, ','))
    if (!id.empty()) enqueue_options.depends_on.emplace_back(id);
  enqueue_options.allow_dependency_failures = number(options, "allow_failure", 0) != 0;
  enqueue_options.group = text(options, "group");
  enqueue_options.on_success = text(options, "on_success");
  enqueue_options.on_failure = text(options, "on_failure");
  enqueue_options.repeats = static_cast<int>(number(options, "repeats", 0));
  enqueue_options.front_on_retry = number(options, "front_on_retry", 0) != 0;
  if (text(options, "serializer") == "json") enqueue_options.serializer = rq::Serializer::json;
  enqueue_options.meta_json = text(options, "meta");
  if (const long ttl = number(options, "ttl", 0); ttl > 0)
    enqueue_options.ttl = std::chrono::seconds(ttl);
  rq::Client client(endpoint);
  CALL_TRY(const auto done, client.enqueue(words[0], words[1], args, enqueue_options, soon()));
  return Json{{"id", done.job_id}, {"created", done.created}};
}

Json to_json(const rq::JobInfo& job) {
  return {{"id", job.id},
          {"status", job.status},
          {"queue", job.queue},
          {"function", job.function},
          {"args", job.args_json},
          {"kwargs", job.kwargs_json},
          {"error", job.error_text},
          {"result", job.result_json},
          {"meta", job.meta_json},
          {"unreadable", job.unreadable}};
}

Result<Json> read(const std::string& verb, redis::Connection& connection,
                  const std::vector<std::string>& words) {
  const std::string id = words.empty() ? std::string() : words[0];
  Json out = Json::array();
  if (verb == "job") {
    CALL_TRY(const auto job, rq::job(connection, id, soon()));
    return to_json(job);
  }
  if (verb == "queues") {
    CALL_TRY(const auto queues, rq::queues(connection, soon()));
    for (const auto& queue : queues)
      out.push_back({{"name", queue.name},
                     {"queued", queue.queued},
                     {"failed", queue.failed},
                     {"finished", queue.finished},
                     {"age", queue.oldest_age ? Json(queue.oldest_age->count()) : Json()}});
    return out;
  }
  if (verb == "workers") {
    CALL_TRY(const auto workers, rq::workers(connection, soon()));
    for (const auto& worker : workers)
      out.push_back({{"name", worker.name},
                     {"state", worker.state},
                     {"job", worker.current_job},
                     {"age", worker.heartbeat_age ? Json(worker.heartbeat_age->count()) : Json()}});
    return out;
  }
  if (verb == "requeue") {
    CALL_CHECK(rq::requeue(connection, id, soon()));
  } else if (verb == "cancel") {
    CALL_CHECK(rq::cancel(connection, id, soon()));
  } else if (verb == "cancel_releasing") {
    CALL_CHECK(rq::cancel_releasing_dependents(connection, id, soon()));
  } else if (verb == "remove") {
    CALL_CHECK(rq::remove(connection, id, soon()));
  } else if (verb == "suspend") {
    CALL_CHECK(rq::suspend(connection, std::chrono::seconds(0), soon()));
  } else if (verb == "resume") {
    CALL_TRY(const bool was, rq::resume(connection, soon()));
    return Json(was);
  } else if (verb == "shut_down") {
    CALL_CHECK(rq::shut_down(connection, id, soon()));
  } else if (verb == "stop") {
    CALL_CHECK(rq::stop(connection, id, soon()));
  } else {
    return Error{Errc::invalid_argument, "no such verb: " + verb};
  }
  return Json("ok");
}

Result<Json> run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2) return Error{Errc::invalid_argument, "interop_worker VERB URL ..."};
  CALL_TRY(const auto endpoint, redis::parse_url(arguments[1]));
  std::vector<std::string> words;
  Options options;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const auto equals = arguments[i].find('=');
    if (equals == std::string::npos || arguments[i].starts_with('[')) {
      words.push_back(arguments[i]);
    } else {
      options[arguments[i].substr(0, equals)] = arguments[i].substr(equals + 1);
    }
  }
  if (arguments[0] == "work") {
    CALL_CHECK(work(endpoint, words.empty() ? "default" : words[0], options));
    return Json("done");
  }
  if (arguments[0] == "enqueue") return enqueue(endpoint, words, options);
  redis::Connection connection(endpoint);
  CALL_CHECK(connection.ensure_connected(soon()));
  return read(arguments[0], connection, words);
}

}  // namespace

int main(int argc, char** argv) {
  const auto result = run({argv + 1, argv + argc});
  if (!result) {
    fmt::print(stderr, "interop_worker: {}\n", result.error().to_string());
    return 1;
  }
  fmt::print("{}\n", call::json::dump(*result));
  return 0;
}
