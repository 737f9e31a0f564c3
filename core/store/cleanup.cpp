#include "core/store/cleanup.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/base/crash_point.hpp"
#include "core/json/json.hpp"
#include "core/log/log.hpp"
#include "core/store/attempt.hpp"
#include "core/store/db.hpp"
#include "core/store/driver.hpp"
#include "core/store/erase_rows.hpp"

namespace call::store {
namespace {

/// "calldcln" in ASCII, cut to fit: the advisory lock that one pass in the cluster holds.
constexpr std::int64_t kCleanupLock = 0x63616c6c63;

/// Every finding is one query that names its kind. None of them sees an attempt of a list whose
/// driver is alive.
constexpr const char* kDead =
    "NOT EXISTS (SELECT FROM list_drivers d WHERE d.list_id = a.list_id AND d.holder IS NOT NULL "
    "AND d.expires_at > now())";

void find(Txn& txn, std::vector<CleanupAction>& out, const std::string& sql,
          const std::vector<Value>& values = {}) {
  for (const auto& row : query(txn, sql, values)) {
    out.push_back({text(row, "kind"), optional_number(row, "list_id"), text(row, "subject"),
                   text(row, "detail")});
  }
}

std::vector<CleanupAction> find_all(Txn& txn, const CleanupOptions& options) {
  std::vector<CleanupAction> out;
  find(
      txn, out,
      "SELECT 'release_lease' AS kind, list_id, holder AS subject, 'expired at ' || expires_at AS "
      "detail FROM list_drivers WHERE holder IS NOT NULL AND expires_at <= now() ORDER BY list_id");
  find(txn, out,
       std::string("SELECT 'sending_to_unknown' AS kind, list_id, id AS subject, 'sent at ' || "
                   "sent_at AS detail FROM attempts a WHERE state = 'sending' AND ") +
           kDead + " ORDER BY id");
  find(txn, out,
       std::string("SELECT 'undo_intent' AS kind, list_id, id AS subject, 'claimed at ' || "
                   "created_at AS detail FROM attempts a WHERE state = 'intent' AND ") +
           kDead + " ORDER BY id");
  find(txn, out,
       std::string(
           "SELECT 'flag_unknown' AS kind, list_id, id AS subject, 'unknown since ' || "
           "coalesce(sent_at, created_at) AS detail FROM attempts a WHERE state = "
           "'unknown' AND coalesce(sent_at, created_at) <= now() - $1 * interval '1 s' AND ") +
           kDead + " ORDER BY id",
       {options.unknown_deadline.count()});
  find(
      txn, out,
      "SELECT 'relay_job' AS kind, NULL::bigint AS list_id, job_id AS subject, function || ' since "
      "' || created_at AS detail FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT 1000");
  return out;
}

std::string count_state(Txn& txn) {
  const auto row = query(
      txn,
      "SELECT jsonb_build_object('leases', (SELECT count(*) FROM list_drivers WHERE holder IS "
      "NOT NULL), 'unsent_jobs', (SELECT count(*) FROM outbox WHERE sent_at IS NULL), "
      "'attempts', (SELECT coalesce(jsonb_object_agg(state, n), '{}') FROM (SELECT state, "
      "count(*) AS n FROM attempts GROUP BY state) c))::text AS counts")[0];
  return text(row, "counts");
}

/// True if it was still so. Looks again under the row's lock, because a driver may have come since.
bool carry_out(Txn& txn, const CleanupAction& action) {
  if (action.kind.starts_with("erase_")) return erase(txn, action);
  if (action.kind == "release_lease") {
    const auto row =
        query_row(txn,
                  "UPDATE list_drivers SET holder = NULL WHERE list_id = $1 AND holder "
                  "= $2 AND expires_at <= now() RETURNING list_id",
                  {action.list_id, action.subject});
    return row.has_value();
  }
  if (action.kind != "sending_to_unknown" && action.kind != "undo_intent") return false;
  // A new driver would need this row to take the list; it waits until we commit.
  query(txn, "SELECT 1 FROM list_drivers WHERE list_id = $1 FOR UPDATE", {action.list_id});
  auto attempt = lock_attempt_by_id(txn, action.subject);
  if (!attempt) return false;
  const auto row = query_row(
      txn, std::string("SELECT 1 FROM attempts a WHERE id = $1::uuid AND ") + kDead, {attempt->id});
  if (!row) return false;
  if (action.kind == "sending_to_unknown" && attempt->state == AttemptState::sending) {
    attempt->state = AttemptState::unknown;
    attempt->error_message = "its driver was lost";
    save(txn, *attempt);
    return true;
  }
  if (action.kind == "undo_intent" && attempt->state == AttemptState::intent) {
    undo_intent(txn, *attempt, std::chrono::milliseconds(0));
    return true;
  }
  return false;
}

std::string to_json_text(const std::vector<CleanupAction>& actions) {
  Json out = Json::array();
  for (const auto& action : actions) {
    Json item = {{"kind", action.kind}, {"subject", action.subject}, {"detail", action.detail}};
    if (action.list_id) item["list_id"] = *action.list_id;
    out.push_back(std::move(item));
  }
  return json::dump(out);
}

Result<std::vector<CleanupAction>> from_json_text(const std::string& text) {
  json::Limits limits;
  limits.bytes = 64U << 20;
  CALL_TRY(const auto array, json::parse(text, limits, "clean-up journal"));
  std::vector<CleanupAction> out;
  for (const auto& item : array) {
    CleanupAction action;
    CALL_TRY(action.kind, json::get_string(item, "kind"));
    CALL_TRY(action.subject, json::get_string(item, "subject"));
    CALL_TRY(action.detail, json::get_string(item, "detail"));
    if (item.contains("list_id")) {
      CALL_TRY(action.list_id, json::get_int(item, "list_id"));
    }
    out.push_back(std::move(action));
  }
  return out;
}

constexpr const char* kJournal =
    "SELECT id, source, unix_us(started_at) AS started_at, unix_us(finished_at) AS finished_at, "
    "found::text AS found, done::text AS done, before::text AS before, after::text AS after FROM "
    "cleanup_journal ";

Result<CleanupPass> to_pass(const Row& row) {
  CleanupPass out;
  out.id = number(row, "id");
  out.source = text(row, "source");
  out.started_at = time(row, "started_at");
  out.finished_at = optional_time(row, "finished_at");
  CALL_TRY(out.found, from_json_text(text(row, "found")));
  CALL_TRY(out.done, from_json_text(text(row, "done")));
  out.before_json = text(row, "before");
  out.after_json = text(row, "after");
  return out;
}

Result<CleanupPass> read_pass(Txn& txn, std::int64_t id) {
  const auto row = query_row(txn, std::string(kJournal) + "WHERE id = $1", {id});
  if (row) return to_pass(*row);
  return Error{Errc::not_found, "there is no clean-up pass " + std::to_string(id)};
}

struct Wanted {
  std::string source;
  std::vector<CleanupAction> found;
  std::vector<CleanupAction> found_elsewhere;
  std::vector<CleanupAction> done_elsewhere;
};

void append(std::vector<CleanupAction>& to, const std::vector<CleanupAction>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// One transaction under the cluster's lock: what `look` wants done is done and journaled, or
/// nothing is.
Result<CleanupPass> run_pass(Connection& connection,
                             const std::function<Result<Wanted>(Txn&)>& look) {
  const auto body = [&](Txn& txn) -> Result<CleanupPass> {
    const auto lock = query(txn, "SELECT pg_try_advisory_xact_lock($1) AS got", {kCleanupLock})[0];
    if (!flag(lock, "got")) return Error{Errc::conflict, "another clean-up is running"};
    const auto before = count_state(txn);
    CALL_TRY(auto wanted, look(txn));
    std::vector<CleanupAction> done;
    std::copy_if(wanted.found.begin(), wanted.found.end(), std::back_inserter(done),
                 [&](const auto& action) { return carry_out(txn, action); });
    append(wanted.found, wanted.found_elsewhere);
    append(done, wanted.done_elsewhere);
    const auto row = query(txn,
                           "INSERT INTO cleanup_journal (source, finished_at, found, done, before, "
                           "after) VALUES ($1, clock_timestamp(), $2, $3, $4, $5) RETURNING id",
                           {wanted.source, to_json_text(wanted.found), to_json_text(done), before,
                            count_state(txn)})[0];
    CALL_CRASH_POINT("cleanup.committing");
    return read_pass(txn, number(row, "id"));
  };
  auto pass = in_transaction(connection, kSystem, "cannot clean up", body);
  if (pass) {
    log::Logger("cleanup").info("pass {}: {} found, {} done", pass->id, pass->found.size(),
                                pass->done.size());
  }
  return pass;
}

}  // namespace

std::optional<std::chrono::seconds> Retention::age_of_recordings() const {
  if (recordings.count() == 0 && personal_data.count() == 0) return std::nullopt;
  if (recordings.count() == 0) return personal_data;
  return personal_data.count() == 0 ? recordings : std::min(recordings, personal_data);
}

Result<CleanupPass> cleanup_plan(Connection& connection, const CleanupOptions& options) {
  const auto body = [&](Txn& txn) -> Result<CleanupPass> {
    CleanupPass out;
    out.source = options.source;
    out.started_at = time(query(txn, "SELECT unix_us(now()) AS now")[0], "now");
    out.found = find_all(txn, options);
    find_expired(txn, out.found, options.retention);
    out.before_json = count_state(txn);
    return out;
  };
  return in_transaction(connection, kSystem, "cannot plan the clean-up", body);
}

Result<CleanupPass> cleanup_run(Connection& connection, const CleanupOptions& options) {
  return run_pass(connection, [&](Txn& txn) -> Result<Wanted> {
    return Wanted{options.source, find_all(txn, options), options.found_elsewhere,
                  options.done_elsewhere};
  });
}

Result<CleanupPass> erase_run(Connection& connection, const CleanupOptions& options) {
  return run_pass(connection, [&](Txn& txn) -> Result<Wanted> {
    Wanted wanted{options.source, {}, options.found_elsewhere, options.done_elsewhere};
    find_expired(txn, wanted.found, options.retention);
    return wanted;
  });
}

Result<CleanupPass> cleanup_replay(Connection& connection, std::int64_t id,
                                   std::string_view source) {
  return run_pass(connection, [&](Txn& txn) -> Result<Wanted> {
    CALL_TRY(auto pass, read_pass(txn, id));
    return Wanted{
        std::string(source) + ", replay of " + std::to_string(id), std::move(pass.done), {}, {}};
  });
}

Result<std::vector<CleanupPass>> cleanup_passes(Connection& connection, int limit) {
  const auto body = [&](Txn& txn) -> Result<std::vector<CleanupPass>> {
    std::vector<CleanupPass> out;
    for (const auto& row :
         query(txn, std::string(kJournal) + "ORDER BY id DESC LIMIT $1", {limit})) {
      CALL_TRY(out.emplace_back(), to_pass(row));
    }
    return out;
  };
  return in_transaction(connection, kSystem, "cannot read the clean-up journal", body);
}

Result<CleanupPass> cleanup_pass(Connection& connection, std::int64_t id) {
  return in_transaction(connection, kSystem, "cannot read the clean-up journal",
                        [&](Txn& txn) { return read_pass(txn, id); });
}

}  // namespace call::store
