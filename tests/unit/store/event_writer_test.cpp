#include "core/store/event_writer.hpp"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <optional>
#include <pqxx/pqxx>
#include <thread>

#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

NewList wide_list(int concurrency) {
  auto list = new_list();
  list.settings.concurrency = concurrency;
  return list;
}

/// Somebody's transaction that holds an attempt's row.
class Holder {
 public:
  Holder(const std::string& url, const std::string& attempt_id) : connection_(url) {
    work_.emplace(connection_);
    work_->exec("SELECT 1 FROM attempts WHERE id = '" + attempt_id + "' FOR UPDATE");
  }
  void let_go() { work_.reset(); }

 private:
  pqxx::connection connection_;
  std::optional<pqxx::work> work_;
};

constexpr const char* kWaitingForLocks =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type "
    "= "
    "'Lock'";

void until(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::yield();
}

}  // namespace

TEST_CASE("store.event_writer: what waits together is committed together") {
  constexpr int kCalls = 12;
  Running running(kCalls, wide_list(kCalls));
  std::vector<Claim> claims;
  for (int i = 0; i < kCalls; ++i) claims.push_back(running.place(i + 1));
  Pool pool({Secret(running.url)}, 4);
  EventWriter writer(pool, std::chrono::hours(1));
  Holder holder(running.url, claims[0].attempt_id);
  std::atomic<int> ended{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kCalls; ++i) {
      threads.emplace_back([&, i] {
        const auto& claim = claims.at(static_cast<std::size_t>(i));
        const auto event = Running::status_event(claim.token, CallStatus::completed, i + 1);
        const auto effect = writer.apply(event);
        if (effect && effect->attempt_ended && effect->attempt_id == claim.attempt_id) ++ended;
      });
      if (i == 0) until([&] { return running.value(kWaitingForLocks) == "1"; });
    }
    until([&] { return writer.waiting() == kCalls - 1; });
    holder.let_go();
  }
  CHECK(ended == kCalls);
  CHECK(running.value("SELECT count(*) FROM call_events") == std::to_string(kCalls));
  CHECK(running.value("SELECT count(DISTINCT xmin::text) FROM call_events") == "2");
  CHECK(running.value("SELECT count(*) FROM entries WHERE outcome = 'completed'") ==
        std::to_string(kCalls));
}

TEST_CASE("store.event_writer: a batch that waits for a lock does not hold up the next") {
  Running running(2, wide_list(2));
  const auto held = running.place(1);
  const auto free = running.place(2);
  Pool pool({Secret(running.url)}, 4);
  EventWriter writer(pool, milliseconds(10));
  Holder holder(running.url, held.attempt_id);
  std::jthread stuck([&] {
    const auto event = Running::status_event(held.token, CallStatus::completed, 1);
    if (!writer.apply(event)) std::abort();
  });
  until([&] { return running.value(kWaitingForLocks) == "1"; });
  CHECK(take(writer.apply(Running::status_event(free.token, CallStatus::completed, 2)))
            .attempt_ended);
  CHECK(running.attempt(held).state == AttemptState::placed);
  holder.let_go();
  stuck.join();
  CHECK(running.attempt(held).state == AttemptState::ended);
}

TEST_CASE("store.event_writer: without a database every event is told so") {
  Pool pool({Secret(std::string("postgresql://127.0.0.1:1/none"))}, 2);
  EventWriter writer(pool, milliseconds(10));
  CHECK(writer.apply(Running::status_event("00", CallStatus::ringing, 1)).error().code ==
        Errc::unavailable);
}
