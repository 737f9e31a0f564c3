// Why an entry was called, was not, or will be, and when: the same questions in the same order as the
// claim asks them. Fenced to one tenant.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/store/connection.hpp"
#include "core/store/entries.hpp"
#include "core/store/lists.hpp"

namespace call::store {

/// One question. `answer`: yes (nothing stands in the way), wait, no.
struct Reason {
  std::string question;  ///< list, entry, not_after, retry, number, slot, dnc, hours, attempts ...
  std::string answer;
  std::string detail;             ///< for people
  std::optional<WallTime> until;  ///< of a wait, when it is known
};

struct Explanation {
  Entry entry;
  List list;
  std::string policy;   ///< that applies; empty: none
  std::string verdict;  ///< done, in_progress, now, later, blocked (until somebody acts), never
  std::string summary;  ///< one sentence
  std::optional<WallTime> next;  ///< now and later: not before
  std::vector<Reason> reasons;
  std::vector<Attempt> attempts;  ///< first to last
};

/// `reference`: an entry's id ("4711"), or list and line ("spring/17"). `account_concurrency`: as the
/// driver's, 0 for no limit. Errc::not_found.
Result<Explanation> explain_entry(Connection& connection, std::int64_t tenant_id,
                                  std::string_view reference, std::int64_t account_concurrency = 0);

}  // namespace call::store
