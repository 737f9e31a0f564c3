// Call records: where the recording and transcript of a call lie, and their summary.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"

namespace call::store {

struct NewCallRecord {
  std::string call_sid;
  std::string attempt_id;  ///< empty for a call that no list made
  std::string path;        ///< absolute directory
  std::string agent;
  WallTime started_at;
  std::chrono::milliseconds duration{0};
  std::optional<WallTime> first_audio_at;  ///< when the callee could hear the first sound
  int turns = 0;
  std::string end_reason;
  std::string record_json;  ///< the whole record.json
};

struct CallRecordRow {
  std::int64_t id = 0;
  std::optional<std::int64_t> tenant_id;
  std::optional<std::int64_t> list_id;
  std::optional<std::int64_t> entry_id;
  std::string name;  ///< of the entry; empty when there is none
  NewCallRecord record;
  WallTime filed_at;
};

/// Inserts or, for a SID filed before, replaces. The tenant comes from the attempt (else from the
/// SID), never from the record. System-wide.
Status put_call_record(Connection& connection, const NewCallRecord& record);
/// By call SID or attempt UUID; Errc::not_found. Fenced to the tenant.
Result<CallRecordRow> find_call_record(Connection& connection, std::int64_t tenant_id,
                                       std::string_view sid_or_attempt);
/// Newest first; of one list or all of the tenant's. Fenced to the tenant. record_json is left
/// empty.
Result<std::vector<CallRecordRow>> call_records(Connection& connection, std::int64_t tenant_id,
                                                std::optional<std::int64_t> list_id,
                                                int limit = 1000);

}  // namespace call::store
