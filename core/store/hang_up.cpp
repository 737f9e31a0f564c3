#include "core/store/hang_up.hpp"

#include "core/store/db.hpp"
#include "core/store/list_rows.hpp"
#include "core/store/outbox_rows.hpp"

namespace call::store {

Result<std::vector<OutboxJob>> hang_up_calls(Connection& connection, std::int64_t tenant_id,
                                             std::int64_t list_id) {
  const auto body = [&](Txn& txn) -> Result<std::vector<OutboxJob>> {
    CALL_TRY(const auto list, read_list(txn, list_id));
    if (list.state == ListState::running)
      return wrong_state(list, "pause or cancel it before its calls are hung up");
    const auto calls = query(txn,
                             "SELECT id, call_sid FROM attempts WHERE list_id = $1 AND state = "
                             "'placed' AND call_sid IS NOT NULL ORDER BY created_at",
                             {list_id});
    std::vector<OutboxJob> jobs;
    for (const auto& call : calls) {
      auto job = insert_end_call_job(txn, tenant_id, text(call, "id"), text(call, "call_sid"));
      if (job) jobs.push_back(*std::move(job));
    }
    return jobs;
  };
  return in_transaction(connection, tenant_id, "cannot hang up the list's calls", body);
}

}  // namespace call::store
