// One conversation as text for a terminal: where the time of each turn went, and what was said.
#pragma once

#include <string>

#include "cmd/output.hpp"
#include "core/record/call_record.hpp"

namespace call::cmd {

/// A bar for each turn of the callee, from the end of the speech to the reply being heard, all on one scale, with the
/// stages told apart; below it what the marks mean. Empty when no turn was measured.
std::string draw_waterfall(const record::CallRecord& record, const Screen& screen);

/// The turns with their times; long texts are wrapped to the width of the terminal.
std::string draw_transcript(const record::CallRecord& record, const Screen& screen);

}  // namespace call::cmd
