// A migrated database of one test case with a list to dial, and short words for what the cases do
// with it.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "core/store/dialing.hpp"
#include "core/store/entries.hpp"
#include "core/store/events.hpp"
#include "core/store/import.hpp"
#include "core/store/lists.hpp"
#include "core/store/tenants.hpp"
#include "tests/support/servers.hpp"

namespace call::store::test {

using std::chrono::milliseconds;
inline constexpr milliseconds kTtl{60000};

/// The value, or the test fails with the error's text.
template <class T>
T take(Result<T> result) {
  if (!result) FAIL(result.error().to_string());
  return *std::move(result);
}
inline void check(const Status& status) {
  if (!status) FAIL(status.error().to_string());
}

inline std::string sid_of(int n) {
  std::string digits = std::to_string(n);
  return "CA" + std::string(32 - digits.size(), '0') + digits;
}

struct Database {
  std::string url = support::migrated_database();
  Connection connection = support::connect(url);
  Tenant tenant = take(find_tenant(connection, "default"));

  std::string value(const std::string& statement) { return support::sql_value(url, statement); }
  void run(const std::string& statement) { support::sql(url, statement); }
};

inline NewList new_list(const std::string& name = "spring") {
  NewList list;
  list.name = name;
  list.settings.from_number = "+972500000000";
  return list;
}

inline std::vector<NewEntry> numbers(int count, int first = 1) {
  std::vector<NewEntry> out;
  for (int i = 0; i < count; ++i) {
    NewEntry entry;
    entry.seq = first + i;
    entry.phone = "+97250" + std::to_string(1000000 + first + i);
    entry.phone_raw = *entry.phone;
    entry.name = "Contact " + std::to_string(first + i);
    out.push_back(std::move(entry));
  }
  return out;
}

/// One claim, if there is any.
struct NextClaim {
  std::optional<Claim> claim;
  NoClaim why = NoClaim::not_due;
  milliseconds next_due{0};
  bool idle = false;
};

inline Result<NextClaim> claim_next(Connection& connection, const DriverLease& lease,
                                    const ClaimLimits& limits = {}) {
  auto result = claim_entries(connection, lease, limits);
  if (!result) return std::move(result).error();
  NextClaim out{std::nullopt, result->why, result->next_due, result->idle};
  if (!result->claims.empty()) out.claim = std::move(result->claims.front());
  return out;
}

/// A running list of `count` entries, and the lease on it.
struct Running : Database {
  List list;
  DriverLease lease;

  explicit Running(int count, NewList with = new_list()) {
    list = take(create_list(connection, tenant.id, with, numbers(count)));
    list = take(start_list(connection, tenant.id, list.id)).list;
    lease = take(acquire_lease(connection, list.id, "driver", kTtl));
  }

  Claim claim() {
    auto result = take(claim_next(connection, lease));
    if (!result.claim) FAIL("nothing to claim: " << static_cast<int>(result.why));
    return *std::move(result.claim);
  }
  NoClaim no_claim() {
    auto result = take(claim_next(connection, lease));
    REQUIRE_FALSE(result.claim.has_value());
    return result.why;
  }
  /// Claimed and on the wire.
  Claim send() {
    auto claimed = claim();
    check(mark_sending(connection, lease, claimed.attempt_id));
    return claimed;
  }
  /// A call that the carrier has taken.
  Claim place(int sid = 1) {
    auto claimed = send();
    check(settle_placed(connection, lease, claimed.attempt_id, sid_of(sid)));
    return claimed;
  }
  Attempt attempt(const Claim& claimed) {
    return take(find_attempt(connection, tenant.id, claimed.attempt_id));
  }
  Entry entry(const Claim& claimed) {
    for (auto& candidate : take(entries(connection, tenant.id, list.id))) {
      if (candidate.id == claimed.entry_id) return std::move(candidate);
    }
    FAIL("no such entry");
    return {};
  }
  EventEffect event(const Claim& claimed, CallStatus status, int sid = 1) {
    return take(apply_event(connection, status_event(claimed.token, status, sid)));
  }

  static Event status_event(const std::string& token, CallStatus status, int sid) {
    Event event;
    event.token = token;
    event.call_sid = sid_of(sid);
    event.status = status;
    event.sequence = rank(status) - 1;
    event.occurred_at =
        WallTime(std::chrono::seconds(1700000000 + 10 * rank(status)));  // as the carrier stamps it
    if (is_final(status)) event.duration_s = 7;
    event.params_json = R"({"CallStatus":")" + std::string(to_string(status)) + R"("})";
    return event;
  }
};

}  // namespace call::store::test
