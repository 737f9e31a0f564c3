// Erasing what retention no longer covers: recordings in the worker's directory first, then what
// PostgreSQL knows of them and of lists that are over. Runs in the worker, out of its records queue;
// journaled as a pass of clean-up. Functions block.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/deadline.hpp"
#include "core/base/result.hpp"
#include "core/rq/client.hpp"
#include "core/rq/registry.hpp"
#include "core/store/cleanup.hpp"
#include "core/store/pool.hpp"

namespace call::filing {

inline constexpr std::string_view kEraseJob = "calld.erase";  ///< ()

struct RemovedFolders {
  std::vector<store::CleanupAction> found;  ///< remove_recordings, one for each day that is due
  std::vector<store::CleanupAction> done;   ///< of these, the ones of which nothing is left
};

/// Removes the folders of call records of days that ended more than `age` ago. Of such a day a folder
/// stays that was changed later than that, and whatever is not a folder of a call record. Only
/// directories are gone through whose names are dates; no path comes from anywhere else.
RemovedFolders remove_old_folders(const std::filesystem::path& records_dir,
                                  std::chrono::seconds age, WallTime now);

/// One pass: the folders, then store::erase_run(). Can be repeated at any point. Errc::conflict while
/// another clean-up runs.
Result<store::CleanupPass> erase(store::Connection& store, const std::filesystem::path& records_dir,
                                 const store::Retention& retention, std::string_view source);

/// Enqueues the job into the queue `name`, once an hour for all workers of that queue; nothing if
/// everything is kept for ever.
Status enqueue_erasing(rq::Client& queue, std::string_view name, const store::Retention& retention,
                       Deadline deadline);

/// Adds calld.erase. `pool` outlives the registry.
void register_erasing(rq::Registry& registry, store::Pool& pool, std::filesystem::path records_dir,
                      store::Retention retention);

}  // namespace call::filing
