// What a role that needs PostgreSQL does before it works: waits for it, refuses a schema that it
// does not know, and cleans up if that is its duty.
#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "core/dialer/dialer.hpp"
#include "core/store/connection.hpp"
#include "daemon/process.hpp"

namespace call::daemon {

/// Returns when PostgreSQL answers with the schema of this binary. Errc::conflict: another schema
/// (the text names the command to run). Errc::cancelled: told to end while waiting. PostgreSQL
/// being away is waited out.
Status wait_for_database(Process& process, const store::Options& options);

/// Whether one look finds the schema: for a role that does something else while it waits.
Status look_at_database(const store::Options& options);
/// Errors that time may mend.
bool is_away(const Error& error);

/// The clean-up at start, on a thread of its own, so that a slow carrier does not delay the role.
/// Only in the role that service.role names; the others say that they skip it. Its end waits for
/// the pass under way. `deps` are borrowed.
class StartCleanup {
 public:
  StartCleanup(Process& process, const dialer::Deps& deps, const dialer::Options& options);
  ~StartCleanup();
  StartCleanup(const StartCleanup&) = delete;
  StartCleanup& operator=(const StartCleanup&) = delete;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace call::daemon
