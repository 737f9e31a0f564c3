#include <algorithm>
#include <map>

#include "core/log/log.hpp"
#include "core/policy/policy.hpp"
#include "core/store/erase_rows.hpp"

namespace call::store {
namespace {

using std::chrono::seconds;

// What one pass takes up; the next one goes on.
constexpr int kMostDays = 400;
constexpr int kMostLists = 100;

constexpr const char* kOver =
    "l.state IN ('completed', 'cancelled', 'failed') AND l.erased_at IS NULL AND NOT EXISTS "
    "(SELECT "
    "FROM attempts a WHERE a.list_id = l.id AND a.state IN ('intent', 'sending', 'placed', "
    "'unknown'))";

/// How long the tenant's policies look back, whichever list they are for. nullopt: one cannot be read,
/// so nobody knows.
std::optional<seconds> longest_memory(Txn& txn, std::int64_t tenant_id) {
  seconds longest{0};
  for (const auto& row :
       query(txn, "SELECT name, document::text AS document FROM policies WHERE tenant_id = $1",
             {tenant_id})) {
    const auto parsed = policy::parse_policy(text(row, "document"));
    if (!parsed) {
      log::Logger("cleanup").warn("policy {} cannot be read, so nothing of tenant {} is erased: {}",
                                  text(row, "name"), tenant_id, parsed.error().context);
      return std::nullopt;
    }
    longest = std::max(longest, parsed->memory());
  }
  return longest;
}

/// Whether a cap or a cool-down may still count calls of the list (judge.cpp asks for a day more than
/// its memory, too).
bool is_remembered(Txn& txn, std::int64_t tenant_id, std::int64_t list_id) {
  const auto memory = longest_memory(txn, tenant_id);
  if (!memory) return true;
  return query_row(
             txn,
             "SELECT 1 FROM attempts WHERE list_id = $1 AND created_at > now() - $2 * interval "
             "'1 s' - interval '1 day' LIMIT 1",
             {list_id, memory->count()})
      .has_value();
}

void find_days(Txn& txn, std::vector<CleanupAction>& out, const std::string& kind,
               const std::string& what, const std::string& where, const std::string& column,
               seconds age) {
  for (const auto& row : query(txn,
                               "SELECT day::text AS day, n FROM (SELECT (" + column +
                                   " AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM " +
                                   where + " AND " + column +
                                   " < now() - $1 * interval '1 s' GROUP BY 1) d WHERE (day + "
                                   "1)::timestamp AT TIME ZONE "
                                   "'UTC' <= now() - $1 * interval '1 s' ORDER BY day LIMIT $2",
                               {age.count(), kMostDays})) {
    out.push_back({kind, std::nullopt, text(row, "day"), text(row, "n") + " " + what});
  }
}

void find_lists(Txn& txn, std::vector<CleanupAction>& out, seconds age) {
  for (const auto& row :
       query(txn,
             std::string("SELECT l.id, l.tenant_id, l.name, to_char(l.finished_at AT TIME ZONE "
                         "'UTC', 'YYYY-MM-DD') AS day FROM lists l WHERE ") +
                 kOver +
                 " AND l.finished_at < now() - $1 * interval '1 s' ORDER BY l.finished_at, l.id "
                 "LIMIT $2",
             {age.count(), kMostLists})) {
    if (is_remembered(txn, number(row, "tenant_id"), number(row, "id"))) continue;
    out.push_back(
        {"erase_list", number(row, "id"), text(row, "name"), "finished on " + text(row, "day")});
  }
}

bool erase_recordings(Txn& txn, const std::string& day) {
  return query(
             txn,
             "UPDATE call_records SET record = '{}', path = '', erased_at = now() WHERE erased_at "
             "IS NULL AND started_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND started_at < "
             "($1::date + 1)::timestamp AT TIME ZONE 'UTC'",
             {day})
             .affected_rows() > 0;
}

bool erase_events(Txn& txn, const std::string& day) {
  return query(txn,
               "UPDATE call_events SET params = '{}', error_message = '' WHERE attempt_id IS NULL "
               "AND params <> '{}' AND received_at >= $1::date::timestamp AT TIME ZONE 'UTC' AND "
               "received_at < ($1::date + 1)::timestamp AT TIME ZONE 'UTC'",
               {day})
             .affected_rows() > 0;
}

bool erase_list(Txn& txn, std::int64_t list_id) {
  const auto list =
      query_row(txn, "SELECT tenant_id FROM lists WHERE id = $1 FOR UPDATE", {list_id});
  if (!list || is_remembered(txn, number(*list, "tenant_id"), list_id)) return false;
  const auto marked =
      query_row(txn,
                std::string("UPDATE lists l SET erased_at = now() WHERE id = $1 AND ") + kOver +
                    " RETURNING id",
                {list_id});
  if (!marked) return false;
  query(txn,
        "UPDATE call_events SET params = '{}', error_message = '' WHERE attempt_id IN (SELECT id "
        "FROM attempts WHERE list_id = $1)",
        {list_id});
  query(txn,
        "UPDATE attempts SET to_number = '', error_message = '', resolved_at = CASE WHEN state = "
        "'abandoned' THEN coalesce(resolved_at, now()) END WHERE list_id = $1",
        {list_id});
  // A list that failed has entries that nobody will call any more.
  query(txn,
        "UPDATE entries SET phone = NULL, phone_raw = '', name = '', variables = '{}', timezone = "
        "'', state = 'done', outcome = coalesce(outcome, 'cancelled'), reason = CASE WHEN outcome "
        "IS NULL THEN 'list_failed' ELSE reason END, detail = '' WHERE list_id = $1",
        {list_id});
  return true;
}

}  // namespace

void find_expired(Txn& txn, std::vector<CleanupAction>& out, const Retention& retention) {
  if (const auto age = retention.age_of_recordings()) {
    find_days(txn, out, "erase_recordings", "call record(s)",
              "call_records WHERE erased_at IS NULL", "started_at", *age);
  }
  if (retention.personal_data.count() == 0) return;
  find_days(txn, out, "erase_events", "report(s) of unknown calls",
            "call_events WHERE attempt_id IS NULL AND params <> '{}'", "received_at",
            retention.personal_data);
  find_lists(txn, out, retention.personal_data);
}

bool erase(Txn& txn, const CleanupAction& action) {
  if (action.kind == "erase_recordings") return erase_recordings(txn, action.subject);
  if (action.kind == "erase_events") return erase_events(txn, action.subject);
  return action.kind == "erase_list" && action.list_id && erase_list(txn, *action.list_id);
}

}  // namespace call::store
