#include "core/store/entries.hpp"

#include <algorithm>

#include "core/store/attempt.hpp"
#include "core/store/db.hpp"

namespace call::store {
namespace {

std::string attempt_columns(std::string_view prefix) {
  const std::string p(prefix);
  std::string out;
  for (const auto* column :
       {"id", "entry_id", "list_id", "n", "state", "to_number", "from_number", "call_sid",
        "call_status", "answered_by", "error_code", "error_message", "duration_s"}) {
    out += "a." + std::string(column) + " AS " + p + column + ", ";
  }
  for (const auto* column : {"created_at", "sent_at", "answered_at", "ended_at"}) {
    out += "unix_us(a." + std::string(column) + ") AS " + p + column + ", ";
  }
  out.resize(out.size() - 2);
  return out;
}

Attempt to_attempt(const Row& row, const std::string& prefix = "") {
  const auto name = [&](const char* column) { return prefix + column; };
  Attempt out;
  out.id = text(row, name("id").c_str());
  out.entry_id = number(row, name("entry_id").c_str());
  out.list_id = number(row, name("list_id").c_str());
  out.n = static_cast<int>(number(row, name("n").c_str()));
  out.state = known(parse_attempt_state(text(row, name("state").c_str())));
  out.to_number = text(row, name("to_number").c_str());
  out.from_number = text(row, name("from_number").c_str());
  out.call_sid = text(row, name("call_sid").c_str());
  out.status = parse_call_status(text(row, name("call_status").c_str()));
  out.answered_by = text(row, name("answered_by").c_str());
  out.error_code = text(row, name("error_code").c_str());
  out.error_message = text(row, name("error_message").c_str());
  out.duration_s = optional_number(row, name("duration_s").c_str());
  out.created_at = time(row, name("created_at").c_str());
  out.sent_at = optional_time(row, name("sent_at").c_str());
  out.answered_at = optional_time(row, name("answered_at").c_str());
  out.ended_at = optional_time(row, name("ended_at").c_str());
  return out;
}

Entry to_entry(const Row& row) {
  Entry out;
  out.id = number(row, "id");
  out.list_id = number(row, "list_id");
  out.seq = number(row, "seq");
  out.phone = text(row, "phone");
  out.phone_raw = text(row, "phone_raw");
  out.name = text(row, "name");
  out.variables_json = text(row, "variables");
  out.timezone = text(row, "timezone");
  out.not_after = optional_time(row, "not_after");
  out.priority = static_cast<int>(number(row, "priority"));
  out.state = known(parse_entry_state(text(row, "state")));
  out.outcome = parse_outcome(text(row, "outcome"));
  out.reason = text(row, "reason");
  out.attempts = static_cast<int>(number(row, "attempts"));
  if (out.state == EntryState::retry_wait) out.next_attempt_at = time(row, "next_attempt_at");
  if (!row["a_id"].is_null()) out.last_attempt = to_attempt(row, "a_");
  out.record_path = text(row, "record_path");
  return out;
}

Result<std::vector<Attempt>> read_attempts(Connection& connection, std::int64_t tenant_id,
                                           const std::string& rest,
                                           const std::vector<Value>& values) {
  const auto body = [&](Txn& txn) -> Result<std::vector<Attempt>> {
    std::vector<Attempt> out;
    const auto rows =
        query(txn, "SELECT " + attempt_columns("") + " FROM attempts a " + rest, values);
    for (const auto& row : rows) out.push_back(to_attempt(row));
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the attempts", body);
}

}  // namespace

Result<std::vector<std::string>> variable_names(Connection& connection, std::int64_t tenant_id,
                                                std::int64_t list_id) {
  const auto body = [&](Txn& txn) -> Result<std::vector<std::string>> {
    std::vector<std::string> out;
    const auto rows =
        query(txn,
              "SELECT DISTINCT jsonb_object_keys(variables) AS name FROM entries WHERE "
              "list_id = $1 ORDER BY name",
              {list_id});
    for (const auto& row : rows) out.push_back(text(row, "name"));
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the entries", body);
}

Result<std::vector<Entry>> entries(Connection& connection, std::int64_t tenant_id,
                                   std::int64_t list_id, const EntryFilter& filter) {
  const auto body = [&](Txn& txn) -> Result<std::vector<Entry>> {
    const auto rows = query(
        txn,
        "SELECT e.id, e.list_id, e.seq, e.phone, e.phone_raw, e.name, e.priority, "
        "e.variables::text AS variables, e.timezone, unix_us(e.not_after) AS not_after, e.state, "
        "e.outcome, e.reason, unix_us(e.next_attempt_at) AS next_attempt_at, "
        "(SELECT count(*) FROM attempts c WHERE c.entry_id = e.id) AS attempts, " +
            attempt_columns("a_") +
            ", (SELECT r.path FROM call_records r WHERE r.entry_id = e.id ORDER BY r.id DESC LIMIT "
            "1) AS record_path FROM entries e LEFT JOIN LATERAL (SELECT * FROM attempts x WHERE "
            "x.entry_id = e.id ORDER BY x.n DESC LIMIT 1) a ON true WHERE e.list_id = $1 AND e.seq "
            "> $2 AND ($3::text IS NULL OR e.state = $3) AND ($4::text IS NULL OR e.outcome = $4) "
            "ORDER BY e.seq LIMIT $5",
        {list_id, filter.after_seq, filter.state, filter.outcome,
         std::clamp(filter.limit, 1, 10000)});
    std::vector<Entry> out;
    for (const auto& row : rows) out.push_back(to_entry(row));
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the entries", body);
}

Result<std::vector<Attempt>> attempts_of_entry(Connection& connection, std::int64_t tenant_id,
                                               std::int64_t entry_id) {
  return read_attempts(connection, tenant_id, "WHERE a.entry_id = $1 ORDER BY a.n", {entry_id});
}

Result<std::vector<Attempt>> attempts(Connection& connection, std::int64_t tenant_id,
                                      std::optional<std::int64_t> list_id,
                                      std::optional<AttemptState> state, int limit) {
  return read_attempts(connection, tenant_id,
                       "WHERE ($1::bigint IS NULL OR a.list_id = $1) AND ($2::text IS NULL OR "
                       "a.state = $2) ORDER BY a.created_at DESC, a.id LIMIT $3",
                       {list_id, state, limit});
}

Result<Attempt> find_attempt(Connection& connection, std::int64_t tenant_id,
                             std::string_view id_or_sid) {
  CALL_TRY(auto found,
           read_attempts(connection, tenant_id,
                         is_uuid(id_or_sid) ? "WHERE a.id = $1::uuid" : "WHERE a.call_sid = $1",
                         {id_or_sid}));
  if (!found.empty()) return std::move(found.front());
  return Error{Errc::not_found, "there is no attempt or call " + std::string(id_or_sid)};
}

Result<std::vector<CallEvent>> events_of_attempt(Connection& connection, std::int64_t tenant_id,
                                                 std::string_view attempt_id) {
  const auto body = [&](Txn& txn) -> Result<std::vector<CallEvent>> {
    const auto rows =
        query(txn,
              "SELECT id, kind, call_sid, attempt_id, sequence, params::text AS params, "
              "unix_us(received_at) AS received_at FROM call_events WHERE attempt_id = $1::uuid "
              "ORDER BY id",
              {attempt_id});
    std::vector<CallEvent> out;
    for (const auto& row : rows) {
      out.push_back({number(row, "id"), text(row, "kind"), text(row, "call_sid"),
                     text(row, "attempt_id"), optional_number(row, "sequence"), text(row, "params"),
                     time(row, "received_at")});
    }
    return out;
  };
  return in_transaction(connection, tenant_id, "cannot read the events", body);
}

}  // namespace call::store
