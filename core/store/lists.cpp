#include "core/store/lists.hpp"

#include <fmt/format.h>

#include <map>

#include "core/base/strings.hpp"
#include "core/contacts/phone.hpp"
#include "core/store/db.hpp"
#include "core/store/list_rows.hpp"
#include "core/store/outbox_rows.hpp"
#include "core/store/policy_rows.hpp"

namespace call::store {
namespace {

std::string select_lists(std::string_view where) {
  return std::string("SELECT ") + kListColumns + kListFrom + " " + std::string(where);
}

/// The counts of several lists, each of the two tables read once.
std::map<std::int64_t, ListCounts> count_lists(Txn& txn, const std::string& ids) {
  std::map<std::int64_t, ListCounts> out;
  const auto entries = query(txn,
                             "SELECT list_id, state, outcome, count(*) AS n FROM entries WHERE "
                             "list_id = ANY($1::bigint[]) GROUP BY list_id, state, outcome",
                             {ids});
  for (const auto& row : entries) {
    auto& counts = out[number(row, "list_id")];
    const auto n = number(row, "n");
    counts.total += n;
    counts.by_state.at(static_cast<std::size_t>(known(parse_entry_state(text(row, "state"))))) += n;
    if (row["outcome"].is_null()) continue;
    counts.by_outcome.at(static_cast<std::size_t>(known(parse_outcome(text(row, "outcome"))))) += n;
  }
  const auto attempts = query(txn,
                              "SELECT list_id, state, count(*) AS n, count(*) FILTER (WHERE state "
                              "= 'abandoned' AND resolved_at IS NULL) AS open_questions FROM "
                              "attempts WHERE list_id = ANY($1::bigint[]) GROUP BY list_id, state",
                              {ids});
  for (const auto& row : attempts) {
    auto& counts = out[number(row, "list_id")];
    const auto state = known(parse_attempt_state(text(row, "state")));
    const auto n = number(row, "n");
    counts.attempts += n;
    if (is_open(state)) counts.open_attempts += n;
    if (state == AttemptState::unknown) counts.unknown_attempts += n;
    counts.abandoned_attempts += number(row, "open_questions");
  }
  const auto answered = query(
      txn,
      "SELECT a.list_id, count(*) AS answered_30d, count(*) FILTER (WHERE was_left_silent(a)) AS "
      "silent_30d, count(*) FILTER (WHERE a.created_at > now() - interval '1 day') AS "
      "answered_24h, count(*) FILTER (WHERE a.created_at > now() - interval '1 day' AND "
      "was_left_silent(a)) AS silent_24h FROM attempts a WHERE a.list_id = ANY($1::bigint[]) AND "
      "a.created_at > now() - interval '30 days' AND person_answered(a) GROUP BY a.list_id",
      {ids});
  for (const auto& row : answered) {
    auto& counts = out[number(row, "list_id")];
    counts.abandoned_24h = {number(row, "answered_24h"), number(row, "silent_24h")};
    counts.abandoned_30d = {number(row, "answered_30d"), number(row, "silent_30d")};
  }
  return out;
}

template <class T>
Status within(std::string_view name, T value, T low, T high) {
  if (value >= low && value <= high) return {};
  return Error{Errc::invalid_argument,
               fmt::format("{} must be {} to {}, not {}", name, low, high, value)};
}

}  // namespace

List to_list(const Row& row) {
  List list;
  list.id = number(row, "id");
  list.tenant_id = number(row, "tenant_id");
  list.tenant = text(row, "tenant");
  list.name = text(row, "name");
  list.state = known(parse_list_state(text(row, "state")));
  list.reason = text(row, "reason");
  list.settings.agent = text(row, "agent");
  list.settings.from_number = text(row, "from_number");
  list.settings.caller_pool = text(row, "caller_pool");
  list.settings.concurrency = static_cast<int>(number(row, "concurrency"));
  list.settings.calls_per_second = row["calls_per_second"].as<double>();
  list.settings.ring_timeout = std::chrono::seconds(number(row, "ring_timeout_s"));
  list.settings.time_limit = std::chrono::seconds(number(row, "time_limit_s"));
  list.settings.max_attempts = static_cast<int>(number(row, "max_attempts"));
  list.settings.retry_after = std::chrono::seconds(number(row, "retry_after_s"));
  list.settings.amd = known(parse_amd(text(row, "amd")));
  list.settings.on_machine = known(parse_on_machine(text(row, "on_machine")));
  list.settings.policy = text(row, "policy");
  list.settings.priority = static_cast<int>(number(row, "priority"));
  list.tenant_policy = text(row, "tenant_policy");
  if (!row["tenant_calls_per_second"].is_null())
    list.tenant_calls_per_second = row["tenant_calls_per_second"].as<double>();
  list.start_at = optional_time(row, "start_at");
  list.created_at = time(row, "created_at");
  list.started_at = optional_time(row, "started_at");
  list.finished_at = optional_time(row, "finished_at");
  return list;
}

Result<List> read_list(Txn& txn, std::int64_t list_id, bool lock) {
  const auto row = query_row(
      txn, select_lists(lock ? "WHERE l.id = $1 FOR UPDATE OF l" : "WHERE l.id = $1"), {list_id});
  if (row) return to_list(*row);
  return Error{Errc::not_found, "there is no list " + std::to_string(list_id)};
}

Error wrong_state(const List& list, std::string_view wanted) {
  return {Errc::conflict, "the list " + list.name + " is " + std::string(to_string(list.state)) +
                              ": " + std::string(wanted)};
}

Status check_settings(const ListSettings& settings) {
  if (settings.agent.empty()) return Error{Errc::invalid_argument, "agent must not be empty"};
  const auto& from = settings.from_number;
  if (from.empty() == settings.caller_pool.empty()) {
    return Error{Errc::invalid_argument,
                 "either from_number or caller_pool must say who calls, not both"};
  }
  if (!from.empty() && !contacts::is_e164(from)) {
    return Error{Errc::invalid_argument,
                 "from_number must be E.164 such as +972501234567, not \"" + from + "\""};
  }
  if (!(settings.calls_per_second > 0) || settings.calls_per_second > 100) {
    return Error{Errc::invalid_argument, "calls_per_second must be above 0, to 100"};
  }
  CALL_CHECK(within("concurrency", settings.concurrency, 1, 1000));
  CALL_CHECK(
      within<std::int64_t>("ring_timeout in seconds", settings.ring_timeout.count(), 15, 600));
  CALL_CHECK(within<std::int64_t>("time_limit in seconds", settings.time_limit.count(), 10, 14400));
  CALL_CHECK(within("max_attempts", settings.max_attempts, 1, 20));
  CALL_CHECK(within("priority", settings.priority, -99, 99));
  return within<std::int64_t>("retry_after in seconds", settings.retry_after.count(), 0, 604800);
}

Result<List> find_list(Connection& connection, std::int64_t tenant_id,
                       std::string_view id_or_name) {
  const auto body = [&](Txn& txn) -> Result<List> {
    const auto id = parse_number<std::int64_t>(id_or_name);
    const auto row = id ? query_row(txn, select_lists("WHERE l.id = $1"), {*id})
                        : query_row(txn, select_lists("WHERE l.name = $1"), {id_or_name});
    if (row) return to_list(*row);
    const auto tenant = query_row(txn, "SELECT name FROM tenants", {});
    return Error{Errc::not_found, "there is no list " + std::string(id_or_name) +
                                      " of the tenant " + (tenant ? text(*tenant, "name") : "?")};
  };
  return in_transaction(connection, tenant_id, "cannot read the list", body);
}

Result<ListSummary> list_summary(Connection& connection, std::int64_t tenant_id,
                                 std::int64_t list_id) {
  const auto body = [&](Txn& txn) -> Result<ListSummary> {
    CALL_TRY(auto list, read_list(txn, list_id));
    auto counts = count_lists(txn, int_array({list_id}));
    return ListSummary{std::move(list), counts[list_id]};
  };
  return in_transaction(connection, tenant_id, "cannot read the list", body);
}

Result<std::vector<ListSummary>> list_summaries(Connection& connection, std::int64_t tenant_id,
                                                int limit, ListOrder order,
                                                std::optional<std::int64_t> before_id) {
  const auto body = [&](Txn& txn) -> Result<std::vector<ListSummary>> {
    std::vector<ListSummary> out;
    std::vector<std::int64_t> ids;
    const std::string first =
        order == ListOrder::newest ? "" : "l.state = 'running' DESC, l.state = 'paused' DESC, ";
    const auto which =
        "WHERE $2::bigint IS NULL OR l.id < $2 ORDER BY " + first + "l.id DESC LIMIT $1";
    for (const auto& row : query(txn, select_lists(which), {limit, before_id})) {
      out.push_back({to_list(row), {}});
      ids.push_back(out.back().list.id);
    }
    auto counts = count_lists(txn, int_array(ids));
    for (auto& summary : out) summary.counts = counts[summary.list.id];
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the lists", body);
}

Result<std::vector<List>> lists_named(Connection& connection, std::int64_t tenant_id,
                                      std::string_view prefix, int limit) {
  const auto body = [&](Txn& txn) -> Result<std::vector<List>> {
    std::vector<List> out;
    const auto rows =
        query(txn, select_lists("WHERE starts_with(l.name, $1) ORDER BY l.id DESC LIMIT $2"),
              {prefix, limit});
    for (const auto& row : rows) out.push_back(to_list(row));
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the lists", body);
}

bool can_start(ListState state) {
  return state == ListState::draft || state == ListState::paused || state == ListState::running ||
         state == ListState::failed;
}

namespace {

Result<List> lock_startable(Txn& txn, std::int64_t list_id) {
  CALL_TRY(auto list, read_list(txn, list_id, true));
  if (!can_start(list.state)) return wrong_state(list, "it cannot be started again");
  return list;
}

bool waits_for_its_time(Txn& txn, std::int64_t list_id) {
  return query_row(txn, "SELECT 1 FROM lists WHERE id = $1 AND start_at > now()", {list_id})
      .has_value();
}

/// The list is locked, and not running yet or waiting for its time.
Result<ListChange> run(Txn& txn, std::int64_t tenant_id, std::int64_t list_id) {
  // A list that was paused while it waited for its time goes on waiting.
  query(txn,
        "UPDATE lists SET state = 'running', reason = '', started_at = coalesce(started_at, "
        "now()), resumed_at = now(), finished_at = NULL, start_at = CASE state WHEN 'paused' THEN "
        "start_at END WHERE id = $1",
        {list_id});
  ListChange change{{}, true, {}};
  if (!waits_for_its_time(txn, list_id)) change.jobs = {insert_dial_job(txn, tenant_id, list_id)};
  CALL_TRY(change.list, read_list(txn, list_id));
  return change;
}

}  // namespace

Result<ListChange> start_list(Connection& connection, std::int64_t tenant_id,
                              std::int64_t list_id) {
  const auto body = [&](Txn& txn) -> Result<ListChange> {
    CALL_TRY(auto list, lock_startable(txn, list_id));
    if (list.state == ListState::running && !waits_for_its_time(txn, list_id))
      return ListChange{std::move(list), false, {}};
    return run(txn, tenant_id, list_id);
  };
  return in_transaction(connection, tenant_id, "cannot start the list", body);
}

Result<ListChange> resume_list(Connection& connection, std::int64_t tenant_id,
                               std::int64_t list_id) {
  const auto body = [&](Txn& txn) -> Result<ListChange> {
    CALL_TRY(auto list, lock_startable(txn, list_id));
    if (list.state == ListState::draft)
      return wrong_state(list, "only a paused list is resumed; a draft is started (list start)");
    if (list.state == ListState::running) return ListChange{std::move(list), false, {}};
    return run(txn, tenant_id, list_id);
  };
  return in_transaction(connection, tenant_id, "cannot resume the list", body);
}

Result<ListChange> schedule_list(Connection& connection, std::int64_t tenant_id,
                                 std::int64_t list_id, WallTime start_at) {
  const auto body = [&](Txn& txn) -> Result<ListChange> {
    CALL_TRY(auto list, lock_startable(txn, list_id));
    if (list.state == ListState::running && !waits_for_its_time(txn, list_id))
      return wrong_state(list, "it has started already; pause it first");
    query(txn,
          "UPDATE lists SET state = 'running', reason = '', finished_at = NULL, start_at = $2 "
          "WHERE id = $1",
          {list_id, start_at});
    ListChange change{std::move(list), true, {}};
    CALL_TRY(change.list, read_list(txn, list_id));
    return change;
  };
  return in_transaction(connection, tenant_id, "cannot schedule the list", body);
}

Status update_list(Connection& connection, std::int64_t tenant_id, std::int64_t list_id,
                   const ListUpdate& update) {
  const auto body = [&](Txn& txn) -> Status {
    CALL_TRY(auto list, read_list(txn, list_id, true));
    list.settings.concurrency = update.concurrency.value_or(list.settings.concurrency);
    list.settings.priority = update.priority.value_or(list.settings.priority);
    CALL_CHECK(check_settings(list.settings));
    query(txn, "UPDATE lists SET concurrency = $2, priority = $3 WHERE id = $1",
          {list_id, list.settings.concurrency, list.settings.priority});
    if (!update.policy) return {};
    CALL_TRY(const auto policy, policy_id(txn, *update.policy));
    query(txn, "UPDATE lists SET policy_id = $2 WHERE id = $1", {list_id, policy});
    ask_again(txn, tenant_id);
    return {};
  };
  return transact(connection, tenant_id, "cannot change the list", body);
}

Result<ListChange> pause_list(Connection& connection, std::int64_t tenant_id,
                              std::int64_t list_id) {
  const auto body = [&](Txn& txn) -> Result<ListChange> {
    CALL_TRY(auto list, read_list(txn, list_id, true));
    if (list.state == ListState::paused) return ListChange{std::move(list), false, {}};
    if (list.state != ListState::running) return wrong_state(list, "only a running list pauses");
    query(txn, "UPDATE lists SET state = 'paused', reason = '' WHERE id = $1", {list_id});
    list.state = ListState::paused;
    return ListChange{std::move(list), true, {}};
  };
  return in_transaction(connection, tenant_id, "cannot pause the list", body);
}

Result<ListChange> cancel_list(Connection& connection, std::int64_t tenant_id,
                               std::int64_t list_id) {
  const auto body = [&](Txn& txn) -> Result<ListChange> {
    CALL_TRY(auto list, read_list(txn, list_id, true));
    if (list.state == ListState::cancelled) return ListChange{std::move(list), false, {}};
    if (list.state == ListState::completed || list.state == ListState::failed) {
      return wrong_state(list, "there is nothing left to cancel");
    }
    query(txn, "UPDATE lists SET state = 'cancelled', finished_at = now() WHERE id = $1",
          {list_id});
    query(txn,
          "UPDATE entries SET state = 'done', outcome = 'cancelled', reason = 'list_cancelled', "
          "detail = '', "
          "updated_at = now() WHERE list_id = $1 AND state IN ('pending', 'retry_wait')",
          {list_id});
    ListChange change{std::move(list), true, {}};
    CALL_TRY(change.list, read_list(txn, list_id));
    return change;
  };
  return in_transaction(connection, tenant_id, "cannot cancel the list", body);
}

}  // namespace call::store
