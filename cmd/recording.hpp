// The sound of a filed call, if this machine has it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "core/audio/wav.hpp"
#include "core/record/call_record.hpp"

namespace call::cmd {

struct FoundRecording {
  std::optional<audio::Wav> wav;
  std::string why_not;  ///< a sentence for people, when there is none
};

FoundRecording find_recording(const record::CallRecord& call, const std::filesystem::path& folder);

}  // namespace call::cmd
