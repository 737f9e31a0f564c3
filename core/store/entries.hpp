// Entries, attempts and events as operators read them. Fenced to one tenant, as lists.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/types.hpp"

namespace call::store {

struct Attempt {
  std::string id;  ///< UUID
  std::int64_t entry_id = 0;
  std::int64_t list_id = 0;
  int n = 0;  ///< 1 for the entry's first
  AttemptState state = AttemptState::intent;
  std::string to_number;
  std::string from_number;
  std::string call_sid;  ///< empty until known
  std::optional<CallStatus> status;
  std::string answered_by;
  std::string error_code;  ///< the carrier's
  std::string error_message;
  std::optional<std::int64_t> duration_s;
  WallTime created_at;
  std::optional<WallTime> sent_at;
  std::optional<WallTime> answered_at;
  std::optional<WallTime> ended_at;
};

struct Entry {
  std::int64_t id = 0;
  std::int64_t list_id = 0;
  std::int64_t seq = 0;
  std::string phone;  ///< E.164, empty when refused for its number
  std::string phone_raw;
  std::string name;
  std::string variables_json;
  std::string timezone;  ///< as given; empty: by the number
  std::optional<WallTime> not_after;
  int priority = 0;
  EntryState state = EntryState::pending;
  std::optional<Outcome> outcome;
  std::string reason;
  int attempts = 0;
  std::optional<WallTime> next_attempt_at;  ///< in retry_wait
  std::optional<Attempt> last_attempt;
  std::string record_path;  ///< of the newest filed call record, empty if none
};

struct EntryFilter {
  std::optional<EntryState> state;
  std::optional<Outcome> outcome;
  std::int64_t after_seq = -1;  ///< the last seq of the page before
  int limit = 1000;             ///< 1 to 10000
};

struct CallEvent {
  std::int64_t id = 0;
  std::string kind;
  std::string call_sid;
  std::string attempt_id;  ///< empty: not matched (yet)
  std::optional<std::int64_t> sequence;
  std::string params_json;
  WallTime received_at;
};

/// The names of all variables that the list's entries have, sorted.
Result<std::vector<std::string>> variable_names(Connection& connection, std::int64_t tenant_id,
                                                std::int64_t list_id);
/// In order of seq.
Result<std::vector<Entry>> entries(Connection& connection, std::int64_t tenant_id,
                                   std::int64_t list_id, const EntryFilter& filter = {});
/// First to last.
Result<std::vector<Attempt>> attempts_of_entry(Connection& connection, std::int64_t tenant_id,
                                               std::int64_t entry_id);
/// Newest first; of one list, in one state, or all of the tenant's.
Result<std::vector<Attempt>> attempts(Connection& connection, std::int64_t tenant_id,
                                      std::optional<std::int64_t> list_id,
                                      std::optional<AttemptState> state, int limit = 1000);
/// By attempt UUID or call SID; Errc::not_found.
Result<Attempt> find_attempt(Connection& connection, std::int64_t tenant_id,
                             std::string_view id_or_sid);
/// In the order received.
Result<std::vector<CallEvent>> events_of_attempt(Connection& connection, std::int64_t tenant_id,
                                                 std::string_view attempt_id);

}  // namespace call::store
