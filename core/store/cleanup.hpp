// Putting right in the database what a dead process left behind. Never touches a list whose driver
// is alive.
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

struct CleanupOptions {
  std::string source = "callctl";               ///< who runs it, for the journal
  std::chrono::seconds unknown_deadline{3600};  ///< unknown for longer than this: abandoned
};

/// release_lease | sending_to_unknown | undo_intent | abandon_unknown | relay_job
struct CleanupAction {
  std::string kind;
  std::optional<std::int64_t> list_id;
  std::string subject;  ///< attempt UUID, driver or job id
  std::string detail;
};

/// One pass. before_json and after_json count leases, attempts by state and unsent jobs.
struct CleanupPass {
  std::int64_t id = 0;  ///< 0 for a plan
  std::string source;
  WallTime started_at;
  std::optional<WallTime> finished_at;
  std::vector<CleanupAction> found;
  std::vector<CleanupAction> done;  ///< relay_job is found here, done by the outbox relay
  std::string before_json;
  std::string after_json;
};

/// What a pass would do now; changes nothing.
Result<CleanupPass> cleanup_plan(Connection& connection, const CleanupOptions& options);
/// One pass in the whole cluster at a time: Errc::conflict while another runs. Journaled, also when
/// it found nothing.
Result<CleanupPass> cleanup_run(Connection& connection, const CleanupOptions& options);
/// The journal, newest first.
Result<std::vector<CleanupPass>> cleanup_passes(Connection& connection, int limit = 20);
Result<CleanupPass> cleanup_pass(Connection& connection, std::int64_t id);

}  // namespace call::store
