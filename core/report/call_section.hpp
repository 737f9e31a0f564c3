// One conversation as a piece of a page: player and timeline, transcript, waterfall, counters. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/report/page.hpp"

namespace call::report {

/// `slices`: how finely the tracks are drawn.
std::string call_section(const Call& call, std::size_t slices);
/// Between the callee's last sound and the agent's first, of every turn that was measured.
std::vector<std::int64_t> turn_gaps(const record::CallRecord& record);
/// The value below which `share` of them lie; nullopt when there are none.
std::optional<std::int64_t> quantile(std::vector<std::int64_t> values, double share);

}  // namespace call::report
