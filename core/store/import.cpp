#include "core/store/import.hpp"

#include <nlohmann/json.hpp>
#include <unordered_set>

#include "core/base/affinity.hpp"
#include "core/json/json.hpp"
#include "core/store/db.hpp"
#include "core/store/list_rows.hpp"
#include "core/store/policy_rows.hpp"

namespace call::store {
namespace {

constexpr std::string_view kDoing = "cannot import the list";
constexpr std::size_t kBatch = 1000;

/// The list made with this key before, if any.
std::optional<List> find_by_key(Txn& txn, const std::optional<std::string>& key) {
  if (!key) return std::nullopt;
  const auto row = query_row(
      txn, std::string("SELECT ") + kListColumns + kListFrom + " WHERE l.idempotency_key = $1",
      {*key});
  if (!row) return std::nullopt;
  return to_list(*row);
}

/// nullopt for an empty name.
Result<std::optional<std::int64_t>> pool_id(Txn& txn, const std::string& name) {
  if (name.empty()) return std::optional<std::int64_t>();
  const auto row = query_row(txn, "SELECT id FROM caller_pools WHERE name = $1", {name});
  if (row) return std::optional(number(*row, "id"));
  return Error{Errc::not_found, "there is no caller pool " + name};
}

/// The new row's id, or nullopt when its name or key is taken.
Result<std::optional<std::int64_t>> insert_list(Txn& txn, std::int64_t tenant_id,
                                                const NewList& list) {
  const auto& settings = list.settings;
  CALL_TRY(const auto pool, pool_id(txn, settings.caller_pool));
  CALL_TRY(const auto policy, policy_id(txn, settings.policy));
  const auto row = query_row(
      txn,
      "INSERT INTO lists (tenant_id, name, idempotency_key, agent, from_number, caller_pool_id, "
      "policy_id, concurrency, calls_per_second, ring_timeout_s, time_limit_s, max_attempts, "
      "retry_after_s, amd, on_machine, priority) VALUES ($1, $2, $3, $4, nullif($5, ''), $6, $7, "
      "$8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT DO NOTHING RETURNING id",
      {tenant_id, list.name, list.idempotency_key, settings.agent, settings.from_number, pool,
       policy, settings.concurrency, settings.calls_per_second, settings.ring_timeout.count(),
       settings.time_limit.count(), settings.max_attempts, settings.retry_after.count(),
       settings.amd, settings.on_machine, settings.priority});
  if (!row) return std::optional<std::int64_t>();
  return std::optional(number(*row, "id"));
}

/// One batch as a JSON array: PostgreSQL takes it apart in one statement.
Result<std::string> to_rows(std::span<const NewEntry> entries) {
  Json rows = Json::array();
  for (const auto& entry : entries) {
    CALL_TRY(auto variables, json::parse(entry.variables_json, {}, "variables"));
    Json row = {{"seq", entry.seq},           {"phone_raw", entry.phone_raw},
                {"name", entry.name},         {"variables", std::move(variables)},
                {"timezone", entry.timezone}, {"refused", entry.refused},
                {"priority", entry.priority}};
    if (entry.phone) row["phone"] = *entry.phone;
    if (entry.not_after) row["not_after"] = to_rfc3339(*entry.not_after, 6);
    rows.push_back(std::move(row));
  }
  return json::dump(rows);
}

void insert_entries(Txn& txn, std::int64_t tenant_id, std::int64_t list_id,
                    const std::string& rows) {
  query(
      txn,
      "INSERT INTO entries (tenant_id, list_id, seq, phone, phone_raw, name, variables, timezone, "
      "not_after, priority, state, outcome, reason) SELECT $1, $2, seq, phone, phone_raw, name, "
      "variables, timezone, not_after, priority, CASE refused WHEN '' THEN 'pending' ELSE 'done' "
      "END, CASE "
      "refused WHEN '' THEN NULL ELSE 'refused' END, refused FROM jsonb_to_recordset($3) AS "
      "row (seq bigint, phone text, phone_raw text, name text, variables jsonb, timezone "
      "text, not_after timestamptz, priority int, refused text)",
      {tenant_id, list_id, rows});
}

/// The numbers of the rows that are to be called, as a JSON array.
std::string asked_numbers(std::span<const NewEntry> entries) {
  Json asked = Json::array();
  for (const auto& entry : entries) {
    if (entry.phone && entry.refused.empty()) asked.push_back(*entry.phone);
  }
  return json::dump(asked);
}

/// Those that are in the list already, so that a new entry for them would be a second call.
std::unordered_set<std::string> numbers_in_list(Txn& txn, std::int64_t list_id,
                                                std::span<const NewEntry> entries) {
  std::unordered_set<std::string> out;
  const auto rows = query(txn,
                          "SELECT phone FROM entries WHERE list_id = $1 AND outcome IS DISTINCT "
                          "FROM 'refused' AND phone IN (SELECT jsonb_array_elements_text($2))",
                          {list_id, asked_numbers(entries)});
  for (const auto& row : rows) out.insert(text(row, "phone"));
  return out;
}

/// Those that other lists of the tenant have.
std::unordered_set<std::string> numbers_elsewhere(Txn& txn, std::int64_t tenant_id,
                                                  std::int64_t list_id, Unique unique,
                                                  std::span<const NewEntry> entries) {
  std::unordered_set<std::string> out;
  const auto rows = query(
      txn,
      "SELECT DISTINCT phone FROM entries WHERE tenant_id = $1 AND list_id <> $2 AND outcome IS "
      "DISTINCT FROM 'refused' AND phone IN (SELECT jsonb_array_elements_text($3)) AND ($4 OR "
      "state <> 'done')",
      {tenant_id, list_id, asked_numbers(entries), unique == Unique::tenant});
  for (const auto& row : rows) out.insert(text(row, "phone"));
  return out;
}

/// Until the end of the transaction: two that ask what other lists have, at the same time, would each miss what the
/// other is about to bring.
void take_turns(Txn& txn, std::int64_t tenant_id, Unique unique) {
  if (unique == Unique::list) return;
  query(txn, "SELECT pg_advisory_xact_lock(hashtextextended('unique' || $1, 2))", {tenant_id});
}

/// Marks the entries of those numbers, and notes them.
void refuse(std::span<NewEntry> entries, const std::unordered_set<std::string>& numbers,
            std::string_view reason, std::vector<RefusedRow>& refused) {
  for (auto& entry : entries) {
    if (!entry.phone || !entry.refused.empty() || !numbers.contains(*entry.phone)) continue;
    entry.refused = reason;
    refused.push_back({entry.seq, entry.phone_raw, entry.refused, ""});
  }
}

Status check_name(const std::string& name) {
  if (name.empty() || name.size() > 200) {
    return Error{Errc::invalid_argument, "a list's name has 1 to 200 bytes"};
  }
  if (name.find_first_not_of("0123456789") == std::string::npos) {
    return Error{Errc::invalid_argument,
                 "a list's name must not be a number: it would read as an id"};
  }
  return {};
}

}  // namespace

struct Import::Impl {
  Connection::Impl& db;
  std::int64_t tenant_id;
  std::unique_ptr<Txn> txn;  // null once committed or lost
  List list;
  bool existed = false;
  Unique unique = Unique::list;
};

std::optional<Unique> parse_unique(std::string_view text) {
  if (text == "list") return Unique::list;
  if (text == "open") return Unique::open;
  if (text == "tenant") return Unique::tenant;
  return std::nullopt;
}

Import::Import(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Import::Import(Import&& other) noexcept = default;
Import::~Import() = default;
bool Import::existed() const {
  return impl_->existed;
}
const List& Import::list() const {
  return impl_->list;
}

Result<Import> Import::begin(Connection& connection, std::int64_t tenant_id, const NewList& list) {
  assert_may_block("Import::begin");
  CALL_CHECK(check_name(list.name));
  CALL_CHECK(check_settings(list.settings));
  auto impl = std::make_unique<Impl>(
      Impl{connection.impl(), tenant_id, nullptr, {}, /*existed=*/false, list.unique});
  try {
    ensure_connected(impl->db);
    impl->txn = std::make_unique<Txn>(impl->db);
    enter_scope(*impl->txn, tenant_id);
    take_turns(*impl->txn, tenant_id, list.unique);
    CALL_TRY(const auto id, insert_list(*impl->txn, tenant_id, list));
    if (!id) {
      const auto first = find_by_key(*impl->txn, list.idempotency_key);
      if (!first) return Error{Errc::conflict, "a list named " + list.name + " exists"};
      impl->list = *first;
      impl->existed = true;
    } else {
      CALL_TRY(impl->list, read_list(*impl->txn, *id));
    }
  } catch (const std::exception&) {
    impl->txn.reset();
    return error_from_exception(impl->db, kDoing);
  }
  return Import(std::move(impl));
}

Result<std::vector<RefusedRow>> Import::add(std::span<const NewEntry> entries) {
  assert_may_block("Import::add");
  CALL_ASSERT(impl_->txn != nullptr && !impl_->existed);
  std::vector<RefusedRow> refused;
  if (entries.empty()) return refused;
  try {
    std::vector<NewEntry> marked;  // a copy only where something is to be marked
    if (impl_->unique != Unique::list) {
      const auto elsewhere =
          numbers_elsewhere(*impl_->txn, impl_->tenant_id, impl_->list.id, impl_->unique, entries);
      marked.assign(entries.begin(), entries.end());
      refuse(marked, elsewhere, "in_other_list", refused);
    }
    CALL_TRY(const std::string rows,
             to_rows(marked.empty() ? entries : std::span<const NewEntry>(marked)));
    insert_entries(*impl_->txn, impl_->tenant_id, impl_->list.id, rows);
    return refused;
  } catch (const std::exception&) {
    impl_->txn.reset();
    return error_from_exception(impl_->db, kDoing);
  }
}

Status Import::commit() {
  assert_may_block("Import::commit");
  CALL_ASSERT(impl_->txn != nullptr);
  try {
    impl_->txn->commit();
    impl_->txn.reset();
    return {};
  } catch (const std::exception&) {
    impl_->txn.reset();
    return error_from_exception(impl_->db, kDoing);
  }
}

namespace {

/// Within the transaction; whether it is to be committed is its caller's business.
Result<Appended> append(Txn& txn, std::int64_t tenant_id, const List& list,
                        std::vector<NewEntry> entries, Unique unique) {
  const auto last =
      query(txn, "SELECT coalesce(max(seq), 0) AS seq FROM entries WHERE list_id = $1", {list.id});
  Appended out;
  out.first_seq = number(last[0], "seq") + 1;
  std::int64_t seq = out.first_seq;
  for (auto& entry : entries) entry.seq = seq++;
  for (std::size_t at = 0; at < entries.size(); at += kBatch) {
    const auto batch = std::span(entries).subspan(at, std::min(kBatch, entries.size() - at));
    if (unique != Unique::list) {
      refuse(batch, numbers_elsewhere(txn, tenant_id, list.id, unique, batch), "in_other_list",
             out.refused);
    }
    auto numbers = numbers_in_list(txn, list.id, batch);
    for (auto& entry : batch) {
      if (!entry.phone || !entry.refused.empty()) continue;
      if (numbers.insert(*entry.phone).second) {
        ++out.added;
        continue;
      }
      entry.refused = "duplicate";
      out.refused.push_back({entry.seq, entry.phone_raw, entry.refused, ""});
    }
    CALL_TRY(const auto rows, to_rows(batch));
    insert_entries(txn, tenant_id, list.id, rows);
  }
  return out;
}

}  // namespace

Result<Appended> append_entries(Connection& connection, std::int64_t tenant_id,
                                std::int64_t list_id, const std::vector<NewEntry>& entries,
                                const AppendRules& rules) {
  Appended out;
  const auto body = [&](Txn& txn) -> Status {
    take_turns(txn, tenant_id, rules.unique);
    // One at a time. The list's state holds until the end, so its driver does not complete it; a share
    // is enough for that, and calls go on meanwhile.
    wait_for_turn(txn, TurnOf::additions, list_id);
    query(txn, "SELECT FROM lists WHERE id = $1 FOR SHARE", {list_id});
    CALL_TRY(const auto list, read_list(txn, list_id));
    const bool over = list.state != ListState::draft && list.state != ListState::running &&
                      list.state != ListState::paused;
    if (over) return wrong_state(list, "nothing can be added to it");
    CALL_TRY(out, append(txn, tenant_id, list, entries, rules.unique));
    const bool all = out.added == static_cast<std::int64_t>(entries.size());
    out.written = !rules.dry_run && (all || !rules.strict);
    if (out.written) return {};
    return Error{Errc::cancelled, "not to be committed"};
  };
  const auto done = transact(connection, tenant_id, "cannot add entries to the list", body);
  if (!done && done.error().code != Errc::cancelled) return done.error();
  return out;
}

Result<List> create_list(Connection& connection, std::int64_t tenant_id, const NewList& list,
                         std::span<const NewEntry> entries) {
  CALL_TRY(auto import, Import::begin(connection, tenant_id, list));
  if (!import.existed()) {
    for (std::size_t at = 0; at < entries.size(); at += kBatch) {
      CALL_CHECK(import.add(entries.subspan(at, std::min(kBatch, entries.size() - at))));
    }
  }
  CALL_CHECK(import.commit());
  return import.list();
}

}  // namespace call::store
