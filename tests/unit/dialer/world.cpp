#include "tests/unit/dialer/world.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <limits>
#include <utility>

#include "core/log/log.hpp"
#include "core/store/import.hpp"
#include "core/store/tenants.hpp"
#include "tests/support/servers.hpp"

namespace call::dialer_test {
namespace {

/// CALLD_TEST_LOG=dialer=debug shows the whole story of each attempt.
void set_log_levels() {
  if (const char* levels = std::getenv("CALLD_TEST_LOG")) REQUIRE(log::set_levels(levels));
}

store::Options store_options(const std::string& url) {
  store::Options options;
  options.url = Secret(url);
  return options;
}

carrier::Options carrier_options(const std::string& base_url) {
  carrier::Options options;
  options.base_url = base_url;
  options.account_sid = "AC00000000000000000000000000000001";
  options.auth_token = Secret("carrier-token");
  options.timeout = milliseconds(1000);
  return options;
}

}  // namespace

FakeCarrier::Script places_all() {
  auto count = std::make_shared<std::atomic<std::uint64_t>>(0);
  return [count](const Received&) { return placed(sid_of(++*count)); };
}

World::World(FakeCarrier::Script script)
    : database(support::migrated_database()),
      phone(std::move(script)),
      pool(store_options(database), 8),
      carrier(carrier_options(phone.base_url())) {
  set_log_levels();
  auto endpoint = redis::parse_url(support::fresh_redis());
  REQUIRE(endpoint);
  deps.store = &pool;
  deps.attempts = &attempts;
  deps.redis = *std::move(endpoint);
  deps.carrier = &carrier;
  deps.senders = &senders;
  deps.gate = &gate.emplace(deps.redis);
  deps.instruments = &instruments;
  options.urls = {"https://calls.example.com", "wss://media.example.com"};
  options.calls_per_second = 100;
  options.poll = milliseconds(20);
  options.lease_ttl = milliseconds(3000);
}

store::ListSettings World::quick() {
  store::ListSettings settings;
  settings.agent = "echo";
  settings.from_number = "+14155559999";
  settings.concurrency = 50;
  settings.calls_per_second = 100;
  return settings;
}

std::int64_t World::list(int entries, const store::ListSettings& settings) {
  static int number = 0;
  store::NewList list;
  list.name = "list-" + std::to_string(++number);
  list.settings = settings;
  std::vector<store::NewEntry> rows(static_cast<std::size_t>(entries));
  for (int i = 0; i < entries; ++i) {
    auto& row = rows[static_cast<std::size_t>(i)];
    row.seq = i + 1;
    row.phone = "+1415555" + std::to_string(1000 + i);
    row.phone_raw = *row.phone;
  }
  auto connection = pool.take(Deadline::after(milliseconds(5000)));
  REQUIRE(connection);
  const auto tenant = store::find_tenant(**connection, "default");
  REQUIRE(tenant);
  const auto made = store::create_list(**connection, tenant->id, list, rows);
  REQUIRE(made);
  REQUIRE(store::start_list(**connection, tenant->id, made->id));
  return made->id;
}

dialer::Run World::run(const std::string& holder, milliseconds limit) const {
  dialer::Run out;
  out.holder = holder;
  out.deadline = Deadline::after(limit);
  return out;
}

dialer::DialReport World::dial_for(std::int64_t list_id, milliseconds slice) {
  auto quick_options = options;
  quick_options.slice = slice;
  const auto report = dialer::dial_list(deps, quick_options, list_id, run());
  INFO((report ? "" : report.error().to_string()));
  REQUIRE(report);
  return *report;
}

dialer::DialReport World::dial(std::int64_t list_id, std::int64_t sends) {
  const auto give_up = Deadline::after(milliseconds(20000));
  dialer::DialReport sum;
  while (!give_up.passed()) {
    const auto slice = dial_for(list_id);
    sum.end = slice.end;
    sum.placed += slice.placed;
    sum.rejected += slice.rejected;
    sum.throttled += slice.throttled;
    sum.not_sent += slice.not_sent;
    sum.unknown += slice.unknown;
    const auto all = sum.placed + sum.rejected + sum.throttled + sum.not_sent + sum.unknown;
    if (all >= sends || sum.end != dialer::DialEnd::handed_over) break;
  }
  return sum;
}

dialer::DialReport World::dial_to_end(std::int64_t list_id) {
  return dial(list_id, std::numeric_limits<std::int64_t>::max());
}

store::EventEffect World::event(const std::string& token, const std::string& sid,
                                store::CallStatus status, std::int64_t sequence) {
  store::Event event;
  event.token = token;
  event.call_sid = sid;
  event.status = status;
  event.sequence = sequence;
  auto connection = pool.take(Deadline::after(milliseconds(5000)));
  CALL_ASSERT(connection.ok());
  auto effect = store::apply_event(**connection, event);
  CALL_ASSERT(effect.ok());
  return *std::move(effect);
}

void World::complete_calls() {
  for (const auto& row :
       sql("SELECT token, call_sid FROM attempts WHERE state = 'placed' ORDER BY created_at"))
    event(row.at(0), row.at(1), store::CallStatus::completed, 3);
}

Rows World::sql(const std::string& statement) const {
  return support::sql(database, statement);
}

std::string World::value(const std::string& statement) const {
  return support::sql_value(database, statement);
}

std::string World::attempt_state(std::int64_t list_id) const {
  return value("SELECT state FROM attempts WHERE list_id = " + std::to_string(list_id) +
               " ORDER BY created_at DESC LIMIT 1");
}

std::string World::entry_state(std::int64_t list_id) const {
  return value("SELECT state || '/' || coalesce(outcome, 'NULL') FROM entries WHERE list_id = " +
               std::to_string(list_id) + " ORDER BY seq LIMIT 1");
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = Deadline::after(milliseconds(10000));
  while (!condition()) {
    if (deadline.passed()) return false;
    std::this_thread::sleep_for(milliseconds(10));
  }
  return true;
}

std::size_t most_within(std::vector<MonoClock::time_point> times, MonoClock::duration span) {
  std::sort(times.begin(), times.end());
  std::size_t most = 0;
  for (auto first = times.begin(); first != times.end(); ++first) {
    const auto last = std::lower_bound(first, times.end(), *first + span);
    most = std::max(most, static_cast<std::size_t>(last - first));
  }
  return most;
}

}  // namespace call::dialer_test
