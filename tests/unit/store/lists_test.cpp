#include "core/store/lists.hpp"

#include "core/store/hang_up.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

TEST_CASE("store.lists: a list is found by its id and by its name") {
  Database database;
  const auto made =
      take(create_list(database.connection, database.tenant.id, new_list(), numbers(3)));
  const auto by_name = take(find_list(database.connection, database.tenant.id, "spring"));
  const auto by_id =
      take(find_list(database.connection, database.tenant.id, std::to_string(made.id)));
  CHECK(by_name.id == made.id);
  CHECK(by_id.name == "spring");
  CHECK(by_id.tenant == "default");
  CHECK(by_id.state == ListState::draft);
  const auto missing = find_list(database.connection, database.tenant.id, "summer");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().context == "there is no list summer of the tenant default");
}

TEST_CASE("store.lists: every setting comes back as it was given") {
  Database database;
  auto list = new_list();
  list.settings.agent = "echo";
  list.settings.concurrency = 7;
  list.settings.calls_per_second = 2.5;
  list.settings.ring_timeout = std::chrono::seconds(20);
  list.settings.time_limit = std::chrono::seconds(90);
  list.settings.max_attempts = 3;
  list.settings.retry_after = std::chrono::seconds(5);
  list.settings.amd = Amd::async;
  take(create_list(database.connection, database.tenant.id, list, {}));
  const auto read = take(find_list(database.connection, database.tenant.id, "spring")).settings;
  CHECK(read.agent == "echo");
  CHECK(read.from_number == "+972500000000");
  CHECK(read.concurrency == 7);
  CHECK(read.calls_per_second == 2.5);
  CHECK(read.ring_timeout == std::chrono::seconds(20));
  CHECK(read.time_limit == std::chrono::seconds(90));
  CHECK(read.max_attempts == 3);
  CHECK(read.retry_after == std::chrono::seconds(5));
  CHECK(read.amd == Amd::async);
}

TEST_CASE("store.lists: a setting out of its limits is named") {
  const auto fault = [](auto change) {
    ListSettings settings = new_list().settings;
    change(settings);
    const auto status = check_settings(settings);
    return status.ok() ? std::string("accepted") : status.error().context;
  };
  CHECK(fault([](auto&) {}) == "accepted");
  CHECK(fault([](auto& s) { s.concurrency = 0; }) == "concurrency must be 1 to 1000, not 0");
  CHECK(fault([](auto& s) { s.ring_timeout = std::chrono::seconds(5); }).find("ring_timeout") == 0);
  CHECK(fault([](auto& s) { s.calls_per_second = 0; }).find("calls_per_second") == 0);
  CHECK(fault([](auto& s) { s.max_attempts = 21; }).find("max_attempts") == 0);
  CHECK(fault([](auto& s) { s.from_number = "0501234567"; }).find("from_number") == 0);
  CHECK(fault([](auto& s) { s.agent = ""; }).find("agent") == 0);
}

TEST_CASE("store.lists: starting asks for a driver, and starting again does nothing") {
  Database database;
  const auto list =
      take(create_list(database.connection, database.tenant.id, new_list(), numbers(1)));
  const auto started = take(start_list(database.connection, database.tenant.id, list.id));
  CHECK(started.changed);
  CHECK(started.list.state == ListState::running);
  CHECK(started.list.started_at.has_value());
  REQUIRE(started.jobs.size() == 1);
  CHECK(started.jobs[0].queue == "dial");
  CHECK(started.jobs[0].function == "calld.dial_list");
  CHECK(started.jobs[0].args_json == "[" + std::to_string(list.id) + "]");
  CHECK(started.jobs[0].job_id.starts_with("dial_list-" + std::to_string(list.id) + "-"));

  const auto again = take(start_list(database.connection, database.tenant.id, list.id));
  CHECK_FALSE(again.changed);
  CHECK(again.jobs.empty());
}

TEST_CASE("store.lists: pause and resume, then no way back from the end") {
  Running running(2);
  auto& connection = running.connection;
  const auto tenant = running.tenant.id;
  const auto id = running.list.id;
  CHECK(take(pause_list(connection, tenant, id)).changed);
  CHECK_FALSE(take(pause_list(connection, tenant, id)).changed);
  CHECK(running.no_claim() == NoClaim::list_not_running);
  CHECK(take(start_list(connection, tenant, id)).jobs.size() == 1);
  CHECK(take(cancel_list(connection, tenant, id)).list.state == ListState::cancelled);
  CHECK_FALSE(take(cancel_list(connection, tenant, id)).changed);
  CHECK(start_list(connection, tenant, id).error().code == Errc::conflict);
  CHECK(pause_list(connection, tenant, id).error().code == Errc::conflict);
}

TEST_CASE("store.lists: what was never started is not resumed, nor what waits for its time") {
  Database database;
  auto& connection = database.connection;
  const auto tenant = database.tenant.id;
  const auto id = take(create_list(connection, tenant, new_list(), numbers(1))).id;
  const auto refused = resume_list(connection, tenant, id);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == Errc::conflict);
  CHECK(refused.error().context.find("start") != std::string::npos);
  CHECK(take(find_list(connection, tenant, "spring")).state == ListState::draft);

  const auto at = wall_now() + std::chrono::hours(5);
  take(schedule_list(connection, tenant, id, at));
  const auto waiting = take(resume_list(connection, tenant, id));
  CHECK_FALSE(waiting.changed);
  CHECK(waiting.jobs.empty());
  CHECK(waiting.list.start_at.has_value());
  take(pause_list(connection, tenant, id));
  const auto again = take(resume_list(connection, tenant, id));
  CHECK(again.changed);
  CHECK(again.jobs.empty());
  CHECK(again.list.start_at.has_value());

  take(start_list(connection, tenant, id));
  CHECK_FALSE(take(resume_list(connection, tenant, id)).changed);
  take(pause_list(connection, tenant, id));
  CHECK(take(resume_list(connection, tenant, id)).jobs.size() == 1);
  take(cancel_list(connection, tenant, id));
  CHECK(resume_list(connection, tenant, id).error().code == Errc::conflict);
}

TEST_CASE("store.lists: all of them can be reached, page by page") {
  Database database;
  for (const auto* name : {"a", "b", "c"})
    take(create_list(database.connection, database.tenant.id, new_list(name), {}));
  const auto newest = take(list_summaries(database.connection, database.tenant.id, 2));
  REQUIRE(newest.size() == 2);
  CHECK(newest[0].list.name == "c");
  const auto rest = take(list_summaries(database.connection, database.tenant.id, 2,
                                        ListOrder::newest, newest[1].list.id));
  REQUIRE(rest.size() == 1);
  CHECK(rest[0].list.name == "a");
}

TEST_CASE("store.lists: cancelling finishes what waits and lets calls end") {
  auto with = new_list();
  with.settings.max_attempts = 3;
  Running running(3, with);
  const auto claim = running.place();
  running.event(claim, CallStatus::in_progress);
  take(cancel_list(running.connection, running.tenant.id, running.list.id));
  auto counts = take(list_summary(running.connection, running.tenant.id, running.list.id)).counts;
  CHECK(counts.of(Outcome::cancelled) == 2);
  CHECK(counts.of(EntryState::in_call) == 1);
  CHECK(counts.open_attempts == 1);

  // A cancelled list tries nobody again.
  running.event(claim, CallStatus::busy);
  counts = take(list_summary(running.connection, running.tenant.id, running.list.id)).counts;
  CHECK(counts.of(EntryState::done) == 3);
  CHECK(counts.of(Outcome::busy) == 1);
  CHECK(counts.open_attempts == 0);
}

TEST_CASE("store.lists: counts come from the rows") {
  Database database;
  auto rows = numbers(4);
  rows[3].phone.reset();
  rows[3].refused = "invalid_number";
  const auto list = take(create_list(database.connection, database.tenant.id, new_list(), rows));
  const auto summaries = take(list_summaries(database.connection, database.tenant.id));
  REQUIRE(summaries.size() == 1);
  const auto& counts = summaries[0].counts;
  CHECK(counts.total == 4);
  CHECK(counts.of(EntryState::pending) == 3);
  CHECK(counts.of(EntryState::done) == 1);
  CHECK(counts.of(Outcome::refused) == 1);
  CHECK(counts.attempts == 0);
}

TEST_CASE("store.lists: the newest, those that run, or those of a name") {
  Database database;
  const auto rows = numbers(1);
  std::int64_t running = 0;
  for (const auto* name : {"spring", "spring sale", "autumn"}) {
    auto with = new_list();
    with.name = name;
    const auto list = take(create_list(database.connection, database.tenant.id, with, rows));
    if (running == 0) running = list.id;
  }
  take(start_list(database.connection, database.tenant.id, running));
  const auto first = [&](ListOrder order) {
    return take(list_summaries(database.connection, database.tenant.id, 1, order))[0].list.name;
  };
  CHECK(first(ListOrder::newest) == "autumn");
  CHECK(first(ListOrder::running_first) == "spring");
  const auto named = [&](std::string_view prefix, int limit) {
    std::string names;
    for (const auto& list :
         take(lists_named(database.connection, database.tenant.id, prefix, limit)))
      names += list.name + ";";
    return names;
  };
  CHECK(named("spring", 10) == "spring sale;spring;");
  CHECK(named("spring", 1) == "spring sale;");
  CHECK(named("%", 10).empty());
}

TEST_CASE("store.lists: entries come in pages, filtered") {
  Database database;
  auto rows = numbers(25);
  rows[4].refused = "invalid_number";
  const auto list = take(create_list(database.connection, database.tenant.id, new_list(), rows));
  EntryFilter filter;
  filter.limit = 10;
  std::vector<std::int64_t> seen;
  while (true) {
    const auto page = take(entries(database.connection, database.tenant.id, list.id, filter));
    if (page.empty()) break;
    CHECK(page.size() <= 10);
    for (const auto& entry : page) seen.push_back(entry.seq);
    filter.after_seq = seen.back();
  }
  REQUIRE(seen.size() == 25);
  CHECK(std::is_sorted(seen.begin(), seen.end()));

  EntryFilter refused;
  refused.outcome = Outcome::refused;
  const auto found = take(entries(database.connection, database.tenant.id, list.id, refused));
  REQUIRE(found.size() == 1);
  CHECK(found[0].reason == "invalid_number");
  CHECK(found[0].seq == 5);
  EntryFilter pending;
  pending.state = EntryState::pending;
  CHECK(take(entries(database.connection, database.tenant.id, list.id, pending)).size() == 24);
}

TEST_CASE(
    "store.lists: hanging up ends the calls that are up, each once, and only of a stopped list") {
  Running running(3);
  running.place();
  running.send();
  CHECK(hang_up_calls(running.connection, running.tenant.id, running.list.id).error().code ==
        Errc::conflict);
  take(cancel_list(running.connection, running.tenant.id, running.list.id));
  const auto jobs = take(hang_up_calls(running.connection, running.tenant.id, running.list.id));
  REQUIRE(jobs.size() == 1);
  CHECK(jobs[0].function == kEndCallJob);
  CHECK(jobs[0].job_id == "end_call-" + sid_of(1));
  CHECK(take(hang_up_calls(running.connection, running.tenant.id, running.list.id)).empty());
  const auto other = take(create_tenant(running.connection, "other"));
  CHECK(hang_up_calls(running.connection, other.id, running.list.id).error().code ==
        Errc::not_found);
}
