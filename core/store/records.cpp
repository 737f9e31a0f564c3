#include "core/store/records.hpp"

#include "core/store/attempt.hpp"
#include "core/store/db.hpp"

namespace call::store {
namespace {

constexpr const char* kColumns =
    "id, tenant_id, list_id, entry_id, call_sid, attempt_id, path, agent, unix_us(started_at) AS "
    "started_at, duration_ms, turns, end_reason, unix_us(filed_at) AS filed_at, "
    "coalesce((SELECT name FROM entries WHERE entries.id = call_records.entry_id), '') AS name";

CallRecordRow to_record(const Row& row) {
  CallRecordRow out;
  out.id = number(row, "id");
  out.tenant_id = optional_number(row, "tenant_id");
  out.list_id = optional_number(row, "list_id");
  out.entry_id = optional_number(row, "entry_id");
  out.name = text(row, "name");
  out.record.call_sid = text(row, "call_sid");
  out.record.attempt_id = text(row, "attempt_id");
  out.record.path = text(row, "path");
  out.record.agent = text(row, "agent");
  out.record.started_at = time(row, "started_at");
  out.record.duration = std::chrono::milliseconds(number(row, "duration_ms"));
  out.record.turns = static_cast<int>(number(row, "turns"));
  out.record.end_reason = text(row, "end_reason");
  out.filed_at = time(row, "filed_at");
  return out;
}

}  // namespace

Status put_call_record(Connection& connection, const NewCallRecord& record) {
  return transact(connection, kSystem, "cannot file the call record", [&](Txn& txn) -> Status {
    lock_sid(txn, record.call_sid);
    auto attempt = lock_attempt_by_id(txn, record.attempt_id);
    if (!attempt) attempt = lock_attempt_by_sid(txn, record.call_sid);
    std::optional<std::string> attempt_id;
    std::optional<std::int64_t> tenant_id;
    std::optional<std::int64_t> list_id;
    std::optional<std::int64_t> entry_id;
    if (attempt) {
      attempt_id = attempt->id;
      tenant_id = attempt->tenant_id;
      list_id = attempt->list_id;
      entry_id = attempt->entry_id;
    }
    query(txn,
          "INSERT INTO call_records (call_sid, attempt_id, tenant_id, list_id, entry_id, path, "
          "agent, started_at, duration_ms, turns, end_reason, record) VALUES ($1, $2::uuid, $3, "
          "$4, $5, $6, $7, $8, $9, $10, $11, $12::jsonb) ON CONFLICT (call_sid) DO UPDATE SET "
          "attempt_id = excluded.attempt_id, tenant_id = excluded.tenant_id, list_id = "
          "excluded.list_id, entry_id = excluded.entry_id, path = excluded.path, agent = "
          "excluded.agent, started_at = excluded.started_at, duration_ms = excluded.duration_ms, "
          "turns = excluded.turns, end_reason = excluded.end_reason, record = excluded.record",
          {record.call_sid, attempt_id, tenant_id, list_id, entry_id, record.path, record.agent,
           record.started_at, record.duration.count(), record.turns, record.end_reason,
           record.record_json});
    if (attempt) {
      query(txn, "UPDATE attempts SET first_audio_at = $2 WHERE id = $1::uuid",
            {attempt->id, record.first_audio_at});
    }
    return {};
  });
}

Result<CallRecordRow> find_call_record(Connection& connection, std::int64_t tenant_id,
                                       std::string_view sid_or_attempt) {
  const auto body = [&](Txn& txn) -> Result<CallRecordRow> {
    const auto rows = query(
        txn,
        std::string("SELECT record::text AS record, ") + kColumns + " FROM call_records WHERE " +
            (is_uuid(sid_or_attempt) ? "attempt_id = $1::uuid" : "call_sid = $1") +
            " ORDER BY id DESC LIMIT 1",
        {sid_or_attempt});
    if (rows.empty()) {
      return Error{Errc::not_found, "there is no record of " + std::string(sid_or_attempt)};
    }
    auto out = to_record(rows[0]);
    out.record.record_json = text(rows[0], "record");
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the call record", body);
}

Result<std::vector<CallRecordRow>> call_records(Connection& connection, std::int64_t tenant_id,
                                                std::optional<std::int64_t> list_id, int limit) {
  const auto body = [&](Txn& txn) -> Result<std::vector<CallRecordRow>> {
    const auto rows = query(txn,
                            std::string("SELECT ") + kColumns +
                                " FROM call_records WHERE $1::bigint IS NULL OR list_id = $1 ORDER "
                                "BY id DESC LIMIT $2",
                            {list_id, limit});
    std::vector<CallRecordRow> out;
    for (const auto& row : rows) out.push_back(to_record(row));
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the call records", body);
}

}  // namespace call::store
