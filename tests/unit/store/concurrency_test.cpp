// Everything at once on one list, each on its own connection: senders, webhooks in their own
// threads and out of order, clean-up, an operator who looks, pauses and resumes. Whatever the
// interleaving, no call is made twice, none is lost and nothing is left open.

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

#include "core/store/cleanup.hpp"
#include "core/store/reconcile.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace call;
using namespace call::store;
using namespace call::store::test;

namespace {

constexpr int kEntries = 60;

struct Work {
  Running& running;
  std::atomic<int> sids{0};
  std::atomic<int> unexpected{0};
  std::atomic<bool> over{false};

  /// Counts an error that no interleaving excuses.
  template <class T>
  bool fine(const Result<T>& result) {
    if (!result && result.error().code != Errc::conflict) ++unexpected;
    return result.ok();
  }

  void deliver(Connection& connection, const Claim& claim, int sid, std::mt19937& random) {
    std::vector<CallStatus> story = {CallStatus::initiated, CallStatus::ringing,
                                     CallStatus::in_progress,
                                     sid % 5 == 0 ? CallStatus::busy : CallStatus::completed};
    story.push_back(story[random() % story.size()]);
    std::shuffle(story.begin(), story.end(), random);
    for (const auto status : story) {
      fine(apply_event(connection, Running::status_event(claim.token, status, sid)));
    }
  }

  void dial(unsigned seed) {
    std::mt19937 random(seed);
    auto connection = support::connect(running.url);
    while (!over) {
      auto result = claim_next(connection, running.lease);
      if (!fine(result)) continue;
      if (!result->claim) {
        if (result->why == NoClaim::all_done) over = true;
        continue;
      }
      const auto& claim = *result->claim;
      if (!fine(mark_sending(connection, running.lease, claim.attempt_id))) {
        fine(drop_intent(connection, running.lease, claim.attempt_id, milliseconds(0)));
        continue;
      }
      const int sid = ++sids;
      std::jthread webhooks([&, sid] {
        std::mt19937 own(seed + static_cast<unsigned>(sid));
        auto mine = support::connect(running.url);
        deliver(mine, claim, sid, own);
      });
      if (sid % 7 == 0) {
        fine(settle_unknown(connection, running.lease, claim.attempt_id, "timed out"));
      } else {
        fine(settle_placed(connection, running.lease, claim.attempt_id, sid_of(sid)));
      }
    }
  }

  void operate() {
    auto connection = support::connect(running.url);
    while (!over) {
      fine(pause_list(connection, running.tenant.id, running.list.id));
      fine(list_summary(connection, running.tenant.id, running.list.id));
      fine(start_list(connection, running.tenant.id, running.list.id));
      fine(cleanup_run(connection, {}));
      fine(renew_lease(connection, running.lease, kTtl));
    }
  }
};

}  // namespace

TEST_CASE("store: drivers, webhooks, clean-up and an operator at once lose and double nothing") {
  auto with = new_list();
  with.settings.concurrency = 8;
  with.settings.max_attempts = 3;
  with.settings.retry_after = std::chrono::seconds(0);
  Running running(kEntries, with);
  Work work{running};
  {
    std::vector<std::jthread> threads;
    for (unsigned seed = 1; seed <= 3; ++seed) threads.emplace_back([&, seed] { work.dial(seed); });
    threads.emplace_back([&] { work.operate(); });
  }
  CHECK(work.unexpected == 0);
  take(start_list(running.connection, running.tenant.id, running.list.id));
  CHECK(take(complete_if_done(running.connection, running.lease)));
  const auto counts =
      take(list_summary(running.connection, running.tenant.id, running.list.id)).counts;
  CHECK(counts.of(EntryState::done) == kEntries);
  CHECK(counts.of(Outcome::completed) + counts.of(Outcome::busy) == kEntries);
  CHECK(counts.open_attempts == 0);
  // Each call that the carrier made belongs to one attempt, and each attempt to one call.
  CHECK(counts.attempts == work.sids);
  CHECK(running.value("SELECT count(DISTINCT call_sid) FROM attempts") ==
        std::to_string(work.sids));
  CHECK(running.value("SELECT count(*) FROM call_events WHERE attempt_id IS NULL") == "0");
}
