// From the store to the queue and back: outbox, lists without a driver, the job functions.
#include <atomic>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/dialer/chores.hpp"
#include "core/dialer/registrations.hpp"
#include "core/dialer/relay.hpp"
#include "core/json/json.hpp"
#include "core/rq/reads.hpp"
#include "core/rq/worker.hpp"
#include "core/store/outbox.hpp"
#include "core/store/reconcile.hpp"
#include "tests/unit/dialer/world.hpp"

namespace call::dialer_test {
namespace {

Deadline soon() {
  return Deadline::after(milliseconds(5000));
}

std::vector<std::string> waiting(World& world) {
  rq::Client client(world.deps.redis);
  auto connection = client.connection(soon());
  REQUIRE(connection);
  auto ids = rq::job_ids(**connection, "dial", rq::JobSet::queued, 0, 100, soon());
  REQUIRE(ids);
  return *std::move(ids);
}

TEST_CASE("dialer.relay: a job that is pushed twice is enqueued once") {
  World world;
  world.list(1);
  rq::Client client(world.deps.redis);
  auto store = world.pool.take(soon());
  REQUIRE(store);
  const auto jobs = store::unsent_jobs(**store, 10);
  REQUIRE(jobs);
  REQUIRE(jobs->size() == 1);
  CHECK(dialer::try_relay(**store, client, *jobs, soon()) == 1);
  world.sql("UPDATE outbox SET sent_at = NULL");  // as though the relay died in between
  CHECK(*dialer::relay_outbox(**store, client, 0, soon()) == 1);
  CHECK(waiting(world).size() == 1);
  CHECK(world.value("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == "0");
}

TEST_CASE("dialer.relay: without Redis the job stays in the outbox") {
  World world;
  world.list(1);
  auto nowhere = world.deps.redis;
  nowhere.address.port = closed_port();
  rq::Client client(nowhere);
  auto store = world.pool.take(soon());
  REQUIRE(store);
  const auto jobs = store::unsent_jobs(**store, 10);
  REQUIRE(jobs);
  CHECK(dialer::try_relay(**store, client, *jobs, soon()) == 0);
  CHECK_FALSE(dialer::relay_outbox(**store, client, 0, soon()));
  CHECK(world.value("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == "1");
}

TEST_CASE("dialer.relay: dialing is never enqueued with a retry of RQ") {
  World world;
  world.list(1);
  rq::Client client(world.deps.redis);
  auto store = world.pool.take(soon());
  REQUIRE(store);
  REQUIRE(dialer::relay_outbox(**store, client, 0, soon()));
  auto connection = client.connection(soon());
  REQUIRE(connection);
  const auto job = rq::job(**connection, waiting(world).at(0), soon());
  REQUIRE(job);
  CHECK_FALSE(job->retries_left);
}

TEST_CASE(
    "dialer.chores: predecessor A9.9 a running list without a driver gets one, and only one") {
  World world;
  world.list(1);
  world.sql("UPDATE outbox SET sent_at = now()");  // sent, then Redis lost everything
  dialer::Chores chores(world.deps, world.options);
  CHECK(*chores.revive_lists(soon()) == 1);
  CHECK(waiting(world).size() == 1);
  CHECK(*chores.revive_lists(soon()) == 0);
  CHECK(waiting(world).size() == 1);
}

TEST_CASE("dialer.chores: a list with a live driver is left alone") {
  World world;
  const auto list = world.list(1);
  auto store = world.pool.take(soon());
  REQUIRE(store);
  REQUIRE(store::acquire_lease(**store, list, "alive", milliseconds(60000)));
  dialer::Chores chores(world.deps, world.options);
  CHECK(*chores.revive_lists(soon()) == 0);
}

TEST_CASE("dialer.chores: attempts without news that no driver looks after become a job") {
  World world([](const Received& request) {
    return request.method == "POST" ? gone() : answer(200, R"({"calls":[],"next_page_uri":null})");
  });
  const auto list = world.list(1);
  world.dial(list);
  REQUIRE(world.attempt_state(list) == "unknown");
  const auto jobs = [&] {
    rq::Client client(world.deps.redis);
    auto connection = client.connection(soon());
    REQUIRE(connection);
    return *rq::job_ids(**connection, "default", rq::JobSet::queued, 0, 100, soon());
  };
  dialer::Chores chores(world.deps, world.options);
  REQUIRE(chores.ask_to_reconcile(soon()));
  CHECK(jobs().empty());  // the grace is not over
  world.sql("UPDATE attempts SET sent_at = now() - interval '1 hour'");
  REQUIRE(chores.ask_to_reconcile(soon()));
  REQUIRE(jobs().size() == 1);
  CHECK(jobs().front().starts_with("reconcile-"));
}

Result<Json> call_job(World& world, const std::string& name, const Json& args) {
  rq::Registry registry;
  dialer::register_jobs(registry, world.deps, world.options);
  const auto* function = registry.find(name);
  REQUIRE(function);
  const Json no_kwargs = Json::object();
  const std::atomic<bool> draining{false};
  rq::JobContext context{.job_id = "job-1",
                         .queue = "dial",
                         .function = name,
                         .worker = "test",
                         .args = args,
                         .kwargs = no_kwargs,
                         .deadline = Deadline::after(milliseconds(30000)),
                         .stop = {},
                         .draining = draining,
                         .log = log::Logger("rq")};
  return (*function)(context);
}

TEST_CASE("dialer.jobs: predecessor A8.12 dial_list takes one id and loads the rest itself") {
  World world;
  world.options.slice = milliseconds(2000);
  const auto list = world.list(2);
  const auto result = call_job(world, "calld.dial_list", Json::array({list}));
  REQUIRE(result);
  CHECK((*result)["placed"] == 2);
  CHECK((*result)["end"] == "handed_over");
  const auto wrong = call_job(world, "calld.dial_list", Json::array({"x"}));
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Errc::invalid_argument);
}

TEST_CASE("dialer.jobs: end_call hangs up, and a call that is over already is no error") {
  std::atomic<int> updates{0};
  World world([&](const Received& request) {
    if (request.target.find("/Calls/CA") == std::string::npos) return placed(sid_of(1));
    CHECK(request.param("Status") == "completed");
    if (++updates == 2) return refused(404, 20404);
    return answer(200, call_json(sid_of(1), "", "", "completed", to_rfc2822(wall_now())));
  });
  const auto list = world.list(1);
  world.dial(list);
  const auto attempt = world.value("SELECT id FROM attempts");
  CHECK(call_job(world, "calld.end_call", Json::array({attempt})));
  CHECK(call_job(world, "calld.end_call", Json::array({attempt, sid_of(1)})));
  CHECK(updates == 2);
}

TEST_CASE("dialer.jobs: reconcile settles what a cancelled list left unknown") {
  World world([](const Received& request) {
    if (request.method == "POST") return gone();
    const auto call =
        call_json(sid_of(5), "+14155551000", "+14155559999", "completed", to_rfc2822(wall_now()));
    return answer(200, R"({"calls":[)" + call + R"(],"next_page_uri":null})");
  });
  const auto list = world.list(1);
  world.dial(list);
  world.sql("UPDATE lists SET state = 'cancelled'");
  world.options.unknown_grace = milliseconds(0);
  const auto result = call_job(world, "calld.reconcile", Json::array());
  REQUIRE(result);
  CHECK((*result)["changed"] == 1);
  CHECK(world.attempt_state(list) == "ended");
}

TEST_CASE("dialer.jobs: a call that a machine seems to have taken ends with a word") {
  World world([&](const Received& request) {
    if (request.target.find("/Calls/CA") == std::string::npos) return placed(sid_of(1));
    CHECK(request.param("Twiml").find("<Say>We are sorry") != std::string::npos);
    CHECK(request.param("Twiml").find("<Hangup") != std::string::npos);
    CHECK(request.param("Status").empty());
    return answer(200, call_json(sid_of(1), "", "", "in-progress", to_rfc2822(wall_now())));
  });
  world.dial(world.list(1));
  const auto attempt = world.value("SELECT id FROM attempts");
  CHECK(call_job(world, "calld.end_call", Json::array({attempt, sid_of(1), "farewell"})));
}

TEST_CASE("dialer.jobs: without a farewell the call goes on, and the job fails until it is over") {
  std::atomic<bool> up{true};
  World world([&](const Received& request) {
    if (request.target.find("/Calls/CA") == std::string::npos) return placed(sid_of(1));
    CHECK(request.param("Status").empty());  // never hung up
    if (request.method == "POST") return refused(503, 20500);
    return answer(200, call_json(sid_of(1), "", "", up ? "in-progress" : "completed",
                                 to_rfc2822(wall_now())));
  });
  world.dial(world.list(1));
  const auto args = Json::array({world.value("SELECT id FROM attempts"), sid_of(1), "farewell"});
  CHECK_FALSE(call_job(world, "calld.end_call", args));
  up = false;
  CHECK(call_job(world, "calld.end_call", args));
}

TEST_CASE("dialer.jobs: as many running lists as slots do not keep other jobs waiting") {
  std::atomic<bool> hung_up{false};
  World world(
      [&, count = std::make_shared<std::atomic<std::uint64_t>>(0)](const Received& request) {
        if (request.target.find("/Calls/CA") == std::string::npos) return placed(sid_of(++*count));
        hung_up = true;
        return answer(200, call_json(sid_of(1), "", "", "completed", to_rfc2822(wall_now())));
      });
  world.options.slice = milliseconds(200);  // as drivers change all the time, so do the slots' jobs
  auto settings = World::quick();
  settings.concurrency = 1;
  for (int i = 0; i < 3; ++i) world.list(5, settings);
  rq::WorkerOptions options;
  options.redis = world.deps.redis;
  options.name = "w";
  options.queues = {"dial", "default"};
  options.long_queue = store::kDialQueue;
  options.concurrency = 3;
  rq::Registry registry;
  dialer::register_jobs(registry, world.deps, world.options);
  rq::Worker worker(options, registry);
  std::jthread working([&] { CHECK(worker.run()); });
  dialer::Chores chores(world.deps, world.options);
  const auto drivers = [&] {
    chores.tick();
    return world.value("SELECT count(*) FROM attempts WHERE state = 'placed'");
  };
  CHECK(eventually([&] { return drivers() != "0"; }));
  rq::Client client(world.deps.redis);
  const auto attempt = world.value("SELECT id FROM attempts WHERE state = 'placed' LIMIT 1");
  REQUIRE(client.enqueue("default", store::kEndCallJob, Json::array({attempt}), {}, soon()));
  CHECK(eventually([&] {
    chores.tick();
    return hung_up.load();
  }));
  worker.request_stop();
  worker.request_stop();
}

TEST_CASE("dialer.chores: a list whose entries all wait for later sleeps until the first is due") {
  World world;
  const auto list = world.list(2);
  world.sql("UPDATE entries SET next_attempt_at = now() + interval '1 hour'");
  world.sql("UPDATE outbox SET sent_at = now()");
  CHECK(world.dial_for(list, milliseconds(5000)).end == dialer::DialEnd::asleep);
  dialer::Chores chores(world.deps, world.options);
  CHECK(*chores.revive_lists(soon()) == 0);
  world.sql("UPDATE entries SET next_attempt_at = now() + interval '2 seconds' WHERE seq = 2");
  CHECK(*chores.revive_lists(soon()) == 1);
}

TEST_CASE("dialer.jobs: predecessor A9.8 cleaning up touches no list whose driver is alive") {
  World world;
  const auto list = world.list(2);
  auto store = world.pool.take(soon());
  REQUIRE(store);
  const auto lease = store::acquire_lease(**store, list, "alive", milliseconds(60000));
  REQUIRE(lease);
  const auto claimed = store::claim_entries(**store, *lease);
  REQUIRE(claimed);
  REQUIRE(claimed->claims.size() == 1);
  REQUIRE(store::mark_sending(**store, *lease, claimed->claims[0].attempt_id));
  REQUIRE(call_job(world, "calld.cleanup", Json::array()));
  CHECK(world.attempt_state(list) == "sending");
  world.sql("UPDATE list_drivers SET expires_at = now() - interval '1 minute'");
  REQUIRE(call_job(world, "calld.cleanup", Json::array()));
  CHECK(world.attempt_state(list) == "unknown");
  CHECK(waiting(world).size() == 1);
  CHECK(world.value("SELECT count(*) FROM cleanup_journal") == "2");
}

TEST_CASE("dialer.jobs: cleaning up removes the registrations of dead workers, and no others") {
  World world;
  redis::Connection redis(world.deps.redis);
  const auto run = [&](redis::Command words) {
    REQUIRE(redis.ensure_connected(soon()));
    auto reply = redis.command(words, soon());
    REQUIRE(reply);
    return *std::move(reply);
  };
  run({"SADD", "rq:queues", "rq:queue:dial"});
  for (const auto* key : {"rq:workers", "rq:workers:dial"})
    run({"SADD", key, "rq:worker:dead", "rq:worker:alive"});
  run({"HSET", "rq:worker:alive", "birth", "2026-11-27T08:00:00Z"});

  const auto found = dialer::orphaned_workers(redis, dialer::Orphans::find, soon());
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK((*found)[0].subject == "dead");
  CHECK(run({"SCARD", "rq:workers"}).integer == 2);  // a look changes nothing

  REQUIRE(call_job(world, "calld.cleanup", Json::array()));
  for (const auto* key : {"rq:workers", "rq:workers:dial"}) {
    CHECK(run({"SISMEMBER", key, "rq:worker:dead"}).integer == 0);
    CHECK(run({"SISMEMBER", key, "rq:worker:alive"}).integer == 1);
  }
  CHECK(world.value("SELECT done->0->>'kind' FROM cleanup_journal") == "remove_worker");
}

}  // namespace
}  // namespace call::dialer_test
