// Lists and entries as the JSON that callctl prints: one place that decides its fields.
#pragma once

#include <functional>
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

/// The entries that match, to `most` of them, a page at a time.
Status each_page(store::Connection& connection, std::int64_t tenant_id, std::int64_t list_id,
                 store::EntryFilter filter, std::size_t most,
                 const std::function<Status(const std::vector<store::Entry>&)>& take);

}  // namespace call::cmd
