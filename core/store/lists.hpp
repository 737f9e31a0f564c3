// Lists: what operators create, start and watch. Every function here is fenced to one tenant by
// row-level security: the transaction runs as role calld_api with app.tenant set, so a list of
// another tenant is simply not found.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/outbox.hpp"
#include "core/store/types.hpp"

namespace call::store {

struct ListSettings {
  std::string agent = "survey";
  std::string from_number;                ///< E.164; empty: a number of the pool
  std::string caller_pool;                ///< name; exactly one of the two
  int concurrency = 5;                    ///< open attempts at once, 1 to 1000
  double calls_per_second = 1.0;          ///< above 0, to 100
  std::chrono::seconds ring_timeout{30};  ///< 15 (shorter hangs up on people) to 600
  std::chrono::seconds time_limit{600};   ///< of one call, 10 to 14400
  int max_attempts = 1;                   ///< per entry, 1 to 20
  std::chrono::seconds retry_after{300};  ///< before the next attempt, 0 to 604800
  Amd amd = Amd::off;
  OnMachine on_machine = OnMachine::hang_up;
  std::string policy;  ///< name; empty: the tenant's
  int priority = 0;    ///< -99 to 99; lists of a tenant with less wait while one with more can dial
};

struct List {
  std::int64_t id = 0;
  std::int64_t tenant_id = 0;
  std::string tenant;
  std::string name;
  ListState state = ListState::draft;
  std::string reason;  ///< why it failed, or paused itself
  ListSettings settings;
  std::string tenant_policy;  ///< the tenant's default; empty if none
  std::optional<double> tenant_calls_per_second;
  std::optional<WallTime> start_at;  ///< running, but not before
  WallTime created_at;
  std::optional<WallTime> started_at;
  std::optional<WallTime> finished_at;
};

/// The abandon rate of a dialer without human agents: calls that a person answered, and those of
/// them who heard nothing for two seconds. A call whose record does not come counts as silent after
/// ten minutes.
struct AbandonRate {
  std::int64_t answered = 0;
  std::int64_t silent = 0;
  /// 0 when nobody answered.
  double percent() const {
    return answered == 0 ? 0 : 100.0 * static_cast<double>(silent) / static_cast<double>(answered);
  }
};

/// Counted from the rows when asked, never stored.
struct ListCounts {
  std::int64_t total = 0;
  std::array<std::int64_t, 5> by_state{};    ///< index: EntryState
  std::array<std::int64_t, 8> by_outcome{};  ///< index: Outcome
  std::int64_t open_attempts = 0;
  std::int64_t unknown_attempts = 0;
  std::int64_t abandoned_attempts = 0;  ///< that no operator has resolved
  std::int64_t attempts = 0;
  AbandonRate abandoned_24h;
  AbandonRate abandoned_30d;

  std::int64_t of(EntryState state) const { return by_state.at(static_cast<std::size_t>(state)); }
  std::int64_t of(Outcome outcome) const {
    return by_outcome.at(static_cast<std::size_t>(outcome));
  }
};

struct ListSummary {
  List list;
  ListCounts counts;
};

/// Errc::invalid_argument names the setting and its limits.
Status check_settings(const ListSettings& settings);

/// By id ("42") or name; Errc::not_found names both the list and the tenant. A name of digits only
/// is refused at creation, so the two never clash.
Result<List> find_list(Connection& connection, std::int64_t tenant_id, std::string_view id_or_name);
Result<ListSummary> list_summary(Connection& connection, std::int64_t tenant_id,
                                 std::int64_t list_id);
enum class ListOrder {
  newest,         ///< first
  running_first,  ///< then the paused, then the others; of each the newest first
};
/// `before_id`: only those with a smaller id, the next page of ListOrder::newest.
Result<std::vector<ListSummary>> list_summaries(Connection& connection, std::int64_t tenant_id,
                                                int limit = 100,
                                                ListOrder order = ListOrder::newest,
                                                std::optional<std::int64_t> before_id = {});
/// Those whose name begins so, newest first.
Result<std::vector<List>> lists_named(Connection& connection, std::int64_t tenant_id,
                                      std::string_view prefix, int limit);

/// What a state change did; `jobs` are committed in the outbox and should be pushed now.
struct ListChange {
  List list;
  bool changed = false;  ///< false: it was in that state already (not an error)
  std::vector<OutboxJob> jobs;
};

/// Whether start_list() takes a list of that state.
bool can_start(ListState state);
/// draft, paused or failed -> running, with a dial_list job. Errc::conflict from a final state.
Result<ListChange> start_list(Connection& connection, std::int64_t tenant_id, std::int64_t list_id);
/// paused or failed -> running, with a dial_list job; a running list stays as it is, also while it waits for its
/// time. Errc::conflict for a draft, which must be started, and from a final state.
Result<ListChange> resume_list(Connection& connection, std::int64_t tenant_id,
                               std::int64_t list_id);
/// As start_list, but nothing is dialed before `start_at`; also moves the time of a list that waits for
/// it.
Result<ListChange> schedule_list(Connection& connection, std::int64_t tenant_id,
                                 std::int64_t list_id, WallTime start_at);
/// What may change while a list runs; it holds from the next claim on.
struct ListUpdate {
  std::optional<int> concurrency;
  std::optional<int> priority;
  std::optional<std::string> policy;  ///< empty: the tenant's
};
Status update_list(Connection& connection, std::int64_t tenant_id, std::int64_t list_id,
                   const ListUpdate& update);

/// running -> paused. Calls in progress go on; nothing new is claimed or sent.
Result<ListChange> pause_list(Connection& connection, std::int64_t tenant_id, std::int64_t list_id);
/// -> cancelled; entries not yet dialed become done/cancelled; calls in progress finish.
Result<ListChange> cancel_list(Connection& connection, std::int64_t tenant_id,
                               std::int64_t list_id);

}  // namespace call::store
