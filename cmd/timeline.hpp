// Who spoke when, as text for a terminal.
#pragma once

#include <string>

#include "cmd/output.hpp"
#include "core/audio/wav.hpp"
#include "core/record/call_record.hpp"

namespace call::cmd {

/// Both tracks over the length of the call, in as many rows as it takes: their loudness where there
/// is a recording, else the turns. Below them interruptions, keys and redactions.
std::string draw_timeline(const record::CallRecord& record, const audio::Wav* recording,
                          const Screen& screen);

}  // namespace call::cmd
