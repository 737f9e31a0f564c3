// Dialing lists: the job bodies that the worker runs, and the chores it does every second.
//
// Who may say what: PostgreSQL is the truth, Redis gives the turns. An attempt goes
//   claim (intent) -> turn -> sending, committed -> exactly one create-call -> settled
// and a driver that lost its lease, was paused or killed can never send again: the epoch of its
// lease is part of every step. No path repeats a create-call that may have left the machine.
//
// Functions block; they run on worker slots. Deps are borrowed and thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <stop_token>
#include <string>
#include <string_view>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/carrier/carrier.hpp"
#include "core/dialer/call_plan.hpp"
#include "core/redis/endpoint.hpp"
#include "core/rq/registry.hpp"
#include "core/store/attempt_writer.hpp"
#include "core/store/pool.hpp"
#include "core/store/reconcile.hpp"

namespace call::metrics {
class Registry;
}

namespace call::dialer {

class Gate;
class SenderPool;
class Wakes;
struct Instruments;

struct Options {
  PublicUrls urls;
  double calls_per_second = 1;  ///< of the carrier account, all lists and workers together
  double caller_id_calls_per_second = 0;  ///< of one caller id; 0: no pace of its own
  std::int64_t account_concurrency = 0;   ///< open calls of the account at once; 0: no limit
  /// Said before a call is ended because a machine seems to have answered.
  std::string machine_farewell = "We are sorry to have disturbed you. Goodbye.";
  std::chrono::milliseconds slice{30000};     ///< then the driver hands its list to a fresh job
  std::chrono::milliseconds lease_ttl{4000};  ///< a dead driver is replaced a second later
  std::chrono::milliseconds unknown_grace{60000};  ///< before the carrier is asked about it
  std::chrono::milliseconds unknown_deadline{
      3600000};                                    ///< asked about in vain until then: abandoned
  std::chrono::milliseconds overdue_grace{60000};  ///< a call silent so long after its end is read
  std::chrono::milliseconds poll{1000};        ///< how often a driver looks again that nobody woke
  std::chrono::seconds media_token_ttl{3600};  ///< covers the carrier's queue and the ringing
};

/// How often attempts without news are looked at: twice within the grace, and not more often than
/// twice a second.
std::chrono::milliseconds reconcile_every(const Options& options);

struct Deps {
  store::Pool* store = nullptr;
  store::AttemptWriter* attempts = nullptr;
  redis::Endpoint redis;
  const carrier::Carrier* carrier = nullptr;
  SenderPool* senders = nullptr;
  Gate* gate = nullptr;
  Wakes* wakes = nullptr;  ///< may be null: drivers then only look now and then
  Instruments* instruments = nullptr;
};

/// How one run of a driver ended.
enum class DialEnd {
  completed,       ///< the list is done
  not_running,     ///< draft, paused, cancelled, ...: nothing to drive
  other_driver,    ///< another one is at work
  lease_lost,      ///< another one took over
  handed_over,     ///< the slice or the time limit was near: a fresh job is on its way
  no_credentials,  ///< the carrier refuses ours: the list paused itself, and says so
  asleep,          ///< nothing is open and nothing due for a while: found again when something is
  braked,          ///< too many calls failed or were left silent: the list paused itself
};
std::string_view to_string(DialEnd end);

struct DialReport {
  DialEnd end = DialEnd::not_running;
  std::int64_t list_id = 0;
  std::int64_t epoch = 0;
  std::int64_t placed = 0;
  std::int64_t rejected = 0;
  std::int64_t throttled = 0;
  std::int64_t not_sent = 0;
  std::int64_t unknown = 0;
};

/// One run of a driver: who it is and when it must leave.
struct Run {
  std::string holder;  ///< unique to this run
  Deadline deadline = Deadline::never();
  std::stop_token stop;
  const std::atomic<bool>* draining = nullptr;  ///< may be null
};

/// Drives the list until DialEnd. Errc::cancelled when stopped or draining (sends under way were
/// settled, the lease is free); Errc::unavailable when PostgreSQL stayed away.
Result<DialReport> dial_list(const Deps& deps, const Options& options, std::int64_t list_id,
                             const Run& run);

/// Hangs the attempt's call up. A call that is over already, or an attempt without a call, is
/// success. `call_sid` empty: the one bound to the attempt. `farewell`: said first, unless empty; while
/// the carrier does not say it the call goes on, and that is an error.
Status end_call(const Deps& deps, std::string_view attempt_id, std::string_view call_sid,
                std::string_view farewell, Deadline deadline);

/// Asks the carrier about attempts without news: unknown ones, and placed ones that should be over.
/// Evidence binds or ends them, its absence by the deadline abandons them; none is ever redialed
/// here. One that cannot be asked about keeps no other from it; the error is the first one's. Returns
/// how many changed.
Result<std::int64_t> reconcile(const Deps& deps, const Options& options,
                               const store::StaleScope& scope, Deadline deadline);

/// reconcile, then RQ's registrations, then store::cleanup_run, then the outbox. The result as JSON.
/// Errc::conflict while another pass runs.
Result<nlohmann::json> cleanup(const Deps& deps, const Options& options, std::string_view source,
                               Deadline deadline);

/// Of lists that no driver looks after; see Chores.
inline constexpr std::string_view kReconcileJob = "calld.reconcile";

/// calld.dial_list(list_id), calld.end_call(attempt_id[, call_sid]), calld.reconcile(),
/// calld.cleanup(). What `deps` borrows outlives the registry.
void register_jobs(rq::Registry& registry, Deps deps, Options options);

}  // namespace call::dialer
