// Lists and entries as the JSON that callctl prints: one place that decides its fields.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "core/base/result.hpp"
#include "core/store/entries.hpp"
#include "core/store/lists.hpp"

namespace call::cmd {

class Session;

nlohmann::json to_json(const store::ListSummary& summary);

/// `full_numbers`: whatever --show-numbers says (an export).
nlohmann::json to_json(const store::Entry& entry, const Session& session, bool full_numbers);

/// RFC 3339, or null.
nlohmann::json time_or_null(const std::optional<WallTime>& time);

/// Every entry that matches, page by page.
Result<std::vector<store::Entry>> all_entries(store::Connection& connection, std::int64_t tenant_id,
                                              std::int64_t list_id, store::EntryFilter filter);

}  // namespace call::cmd
