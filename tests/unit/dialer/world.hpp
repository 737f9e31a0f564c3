// A dialer with everything real around it, except the carrier: a database, a Redis, threads. One per test.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/dialer/dialer.hpp"
#include "core/dialer/gate.hpp"
#include "core/dialer/instruments.hpp"
#include "core/dialer/sender_pool.hpp"
#include "core/metrics/metrics.hpp"
#include "core/store/events.hpp"
#include "core/store/lists.hpp"
#include "core/store/pool.hpp"
#include "tests/unit/dialer/fake_carrier.hpp"

namespace call::dialer_test {

using std::chrono::milliseconds;
using Rows = std::vector<std::vector<std::string>>;

/// Every create is placed, with a SID made from the order of arrival.
FakeCarrier::Script places_all();

class World {
 public:
  explicit World(FakeCarrier::Script script = places_all());

  /// A running list with so many entries, +14155550100 and up; quick settings.
  std::int64_t list(int entries, const store::ListSettings& settings = quick());
  static store::ListSettings quick();

  dialer::Run run(const std::string& holder = "test",
                  milliseconds limit = milliseconds(60000)) const;
  /// Drivers, one slice after the other on this thread, until so many sends are settled or the list
  /// needs no driver. The counts are of all of them.
  dialer::DialReport dial(std::int64_t list_id, std::int64_t sends = 1);
  dialer::DialReport dial_to_end(std::int64_t list_id);
  /// One slice.
  dialer::DialReport dial_for(std::int64_t list_id, milliseconds slice = milliseconds(300));

  /// What the carrier reports about an attempt's call.
  store::EventEffect event(const std::string& token, const std::string& sid,
                           store::CallStatus status, std::int64_t sequence = 0);
  /// The call of every placed attempt is over.
  void complete_calls();

  Rows sql(const std::string& statement) const;
  std::string value(const std::string& statement) const;
  std::string attempt_state(std::int64_t list_id) const;
  std::string entry_state(std::int64_t list_id) const;  ///< "done/failed", "pending/NULL"

  std::string database;
  FakeCarrier phone;
  metrics::Registry registry;
  dialer::Instruments instruments{registry};
  store::Pool pool;
  store::AttemptWriter attempts{pool, milliseconds(50)};
  carrier::Carrier carrier;
  dialer::SenderPool senders{4};
  std::optional<dialer::Gate> gate;
  dialer::Deps deps;
  dialer::Options options;
};

/// Waits until the condition holds; false after ten seconds.
bool eventually(const std::function<bool()>& condition);

/// The most events within any span of that length.
std::size_t most_within(std::vector<MonoClock::time_point> times, MonoClock::duration span);

}  // namespace call::dialer_test
