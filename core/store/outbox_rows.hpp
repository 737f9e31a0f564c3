// Outbox rows written inside another change's transaction. Internal to this module.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/store/db.hpp"
#include "core/store/outbox.hpp"

namespace call::store {

/// nullopt: a job of that id is there already.
std::optional<OutboxJob> insert_job(Txn& txn, std::optional<std::int64_t> tenant_id,
                                    std::string_view queue, std::string_view function,
                                    std::string_view args_json, std::string_view job_id);
OutboxJob insert_dial_job(Txn& txn, std::int64_t tenant_id, std::int64_t list_id);
/// At most once for a call. The SID must be [A-Za-z0-9]+. `manner`: kFarewell, or at once.
std::optional<OutboxJob> insert_end_call_job(Txn& txn, std::int64_t tenant_id,
                                             std::string_view attempt_id, std::string_view call_sid,
                                             std::string_view manner = {});

}  // namespace call::store
