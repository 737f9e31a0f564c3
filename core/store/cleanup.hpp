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

struct CleanupAction {
  std::string kind;
  std::optional<std::int64_t> list_id;
  std::string subject;  ///< attempt UUID, driver, job id or worker
  std::string detail;
};

/// How long what is personal is kept; 0: for ever.
struct Retention {
  std::chrono::seconds recordings{0};     ///< what was said: recordings and transcripts
  std::chrono::seconds personal_data{0};  ///< whom a list called, from when it is over
  /// Who was called can be read from what was said, so that goes as soon as either is due.
  std::optional<std::chrono::seconds> age_of_recordings() const;
};

struct CleanupOptions {
  std::string source = "callctl";               ///< who runs it, for the journal
  std::chrono::seconds unknown_deadline{3600};  ///< unknown for longer than this: shown
  Retention retention;                          ///< of cleanup_plan() and erase_run() only
  /// What was found and put right outside the database before this pass, to be journaled with it.
  std::vector<CleanupAction> found_elsewhere;
  std::vector<CleanupAction> done_elsewhere;
};

// Kinds of findings, and what is done about them:
//   release_lease       a driver's lease that is over: the list is free
//   sending_to_unknown  a call whose driver died while sending: only evidence goes on from there
//   undo_intent         a call that was never sent: its entry waits again
//   flag_unknown        unknown beyond the deadline. Shown, never changed: giving up is for the
//                       reconciler, which has asked the carrier, or for an operator
//   relay_job           a job that is not in Redis: found here, put there by the relay
//   remove_worker       an RQ registration of a worker that is gone (by dialer::cleanup)
// and, found by a plan, erased by erase_run() only:
//   erase_recordings    a day whose call records are due: the row stays, without what was said
//   erase_list          a list that is over and due: outcomes stay, numbers, names and variables go
//   erase_events        a day of reports that never found their call
//   remove_recordings   a day's folders of recordings in the worker's directory (by filing::erase)

/// One pass. before_json and after_json count leases, attempts by state and unsent jobs.
struct CleanupPass {
  std::int64_t id = 0;  ///< 0 for a plan
  std::string source;
  WallTime started_at;
  std::optional<WallTime> finished_at;
  std::vector<CleanupAction> found;
  std::vector<CleanupAction> done;
  std::string before_json;
  std::string after_json;
};

/// What a pass would do now; changes nothing.
Result<CleanupPass> cleanup_plan(Connection& connection, const CleanupOptions& options);
/// One pass in the whole cluster at a time: Errc::conflict while another runs. Journaled, also when
/// it found nothing.
Result<CleanupPass> cleanup_run(Connection& connection, const CleanupOptions& options);
/// Erases what the retention no longer covers: a pass as above, of these kinds only. Never a list that
/// can still be dialed, nor one whose calls a cap or cool-down of its tenant may still count.
Result<CleanupPass> erase_run(Connection& connection, const CleanupOptions& options);
/// Does again what the pass did, wherever it is still to be done: what was put right since is passed
/// over, so that a second replay does nothing. Journaled as a pass of its own, whose source names
/// both. Errc::not_found, Errc::conflict as above.
Result<CleanupPass> cleanup_replay(Connection& connection, std::int64_t id,
                                   std::string_view source);
/// The journal, newest first.
Result<std::vector<CleanupPass>> cleanup_passes(Connection& connection, int limit = 20);
Result<CleanupPass> cleanup_pass(Connection& connection, std::int64_t id);

}  // namespace call::store
