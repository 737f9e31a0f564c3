// Filing call records: from the media server's spool into the records directory and the store. Runs
// in the worker: the scan finds finished folders and enqueues a job for each, the job files one.
// Functions block.
//
// A record is filed when its row exists and its folder is in place. Both steps are idempotent and
// the row comes first, so a crash between them leaves the folder in the spool, where the next scan
// finds it again.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/record/call_record.hpp"
#include "core/rq/client.hpp"
#include "core/rq/registry.hpp"
#include "core/store/pool.hpp"

namespace call::filing {

inline constexpr std::string_view kFileCallRecordJob = "calld.file_call_record";  ///< (path)

/// Where a record of `started_at` belongs: <records_dir>/<yyyy-mm-dd>/<call_sid>, by UTC.
std::filesystem::path target_of(const std::filesystem::path& records_dir,
                                const record::CallRecord& record);

/// Files the folder; returns where it lies now. A folder that was filed before is found at its
/// target and entered again. Errc::not_found: it is neither in the spool nor filed. Errc::protocol:
/// its record.json is damaged; it stays.
Result<std::filesystem::path> file_call_record(store::Connection& store,
                                               const std::filesystem::path& records_dir,
                                               const std::filesystem::path& folder);

/// Finished folders in the spool (those still being written are called *.part), at most `limit`. A
/// spool that does not exist yet is empty.
Result<std::vector<std::filesystem::path>> ready_folders(const std::filesystem::path& spool_dir,
                                                         std::size_t limit);

/// Enqueues a job for each ready folder into the queue `name`, whose workers must see the spool; how
/// many are new. A folder whose job failed gets another one ten minutes later.
Result<std::size_t> enqueue_ready(rq::Client& queue, std::string_view name,
                                  const std::filesystem::path& spool_dir, Deadline deadline);

/// Adds calld.file_call_record. `pool` outlives the registry.
void register_jobs(rq::Registry& registry, store::Pool& pool, std::filesystem::path records_dir);

}  // namespace call::filing
