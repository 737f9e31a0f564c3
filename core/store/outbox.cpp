#include "core/store/outbox.hpp"

#include <cctype>

#include "core/base/ids.hpp"
#include "core/store/db.hpp"
#include "core/store/outbox_rows.hpp"

namespace call::store {
namespace {

constexpr const char* kColumns =
    "id, queue, function, args::text AS args, job_id, unix_us(created_at) AS created_at";

OutboxJob to_job(const Row& row) {
  return {number(row, "id"), text(row, "queue"),  text(row, "function"),
          text(row, "args"), text(row, "job_id"), time(row, "created_at")};
}

/// "calld.dial_list" with [42] is "dial_list-42-9f86d081884c": an operator who sees the id knows
/// the job.
std::string new_job_id(std::string_view function, std::string_view args_json) {
  constexpr std::size_t kMostArgs = 40;
  std::string out(function.substr(function.rfind('.') + 1));
  std::string args;
  for (const char c : args_json.substr(0, kMostArgs)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-') args += c;
  }
  for (char& c : out) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return out + (args.empty() ? "" : "-" + args) + "-" + random_hex(6);
}

}  // namespace

std::optional<OutboxJob> insert_job(Txn& txn, std::optional<std::int64_t> tenant_id,
                                    std::string_view queue, std::string_view function,
                                    std::string_view args_json, std::string_view job_id) {
  const auto row =
      query_row(txn,
                std::string("INSERT INTO outbox (tenant_id, queue, function, args, job_id) VALUES "
                            "($1, $2, $3, $4, $5) ON CONFLICT (job_id) DO NOTHING RETURNING ") +
                    kColumns,
                {tenant_id, queue, function, args_json, job_id});
  if (!row) return std::nullopt;
  return to_job(*row);
}

OutboxJob insert_dial_job(Txn& txn, std::int64_t tenant_id, std::int64_t list_id) {
  const std::string args = "[" + std::to_string(list_id) + "]";
  auto job =
      insert_job(txn, tenant_id, kDialQueue, kDialListJob, args, new_job_id(kDialListJob, args));
  CALL_ASSERT(job.has_value());  // the id is random
  return *std::move(job);
}

std::optional<OutboxJob> insert_end_call_job(Txn& txn, std::int64_t tenant_id,
                                             std::string_view attempt_id, std::string_view call_sid,
                                             std::string_view manner) {
  // Both values are ours or checked to be [A-Za-z0-9-], so that they need no JSON escapes.
  const std::string last = manner.empty() ? "" : ",\"" + std::string(manner) + "\"";
  const std::string args =
      "[\"" + std::string(attempt_id) + "\",\"" + std::string(call_sid) + "\"" + last + "]";
  return insert_job(txn, tenant_id, "default", kEndCallJob, args,
                    "end_call-" + std::string(call_sid));
}

Result<std::vector<OutboxJob>> unsent_jobs(Connection& connection, int limit, int older_than_ms) {
  const auto body = [&](Txn& txn) -> Result<std::vector<OutboxJob>> {
    const auto rows =
        query(txn,
              std::string("SELECT ") + kColumns +
                  " FROM outbox WHERE sent_at IS NULL AND created_at <= now() - $2 * interval '1 "
                  "ms' ORDER BY id LIMIT $1",
              {limit, older_than_ms});
    std::vector<OutboxJob> out;
    for (const auto& row : rows) out.push_back(to_job(row));
    return out;
  };
  return in_transaction(connection, kSystem, "cannot read the outbox", body);
}

Status mark_sent(Connection& connection, const std::vector<std::int64_t>& ids) {
  return transact(connection, kSystem, "cannot mark jobs as sent", [&](Txn& txn) -> Status {
    query(txn, "UPDATE outbox SET sent_at = now() WHERE id = ANY($1::bigint[]) AND sent_at IS NULL",
          {int_array(ids)});
    return {};
  });
}

Result<std::int64_t> purge_sent_jobs(Connection& connection, int days) {
  const auto body = [&](Txn& txn) -> Result<std::int64_t> {
    const auto rows =
        query(txn, "DELETE FROM outbox WHERE sent_at < now() - $1 * interval '1 day'", {days});
    return static_cast<std::int64_t>(rows.affected_rows());
  };
  return in_transaction(connection, kSystem, "cannot purge the outbox", body);
}

Result<OutboxJob> add_job(Connection& connection, std::optional<std::int64_t> tenant_id,
                          std::string_view queue, std::string_view function,
                          std::string_view args_json) {
  const auto body = [&](Txn& txn) -> Result<OutboxJob> {
    auto job =
        insert_job(txn, tenant_id, queue, function, args_json, new_job_id(function, args_json));
    CALL_ASSERT(job.has_value());
    return *std::move(job);
  };
  return in_transaction(connection, kSystem, "cannot add a job", body);
}

}  // namespace call::store
