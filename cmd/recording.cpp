#include "cmd/recording.hpp"

#include <fmt/format.h>

#include "core/record/folder.hpp"

namespace call::cmd {

FoundRecording find_recording(const record::CallRecord& call, const std::filesystem::path& folder) {
  if (!call.recording.removed.empty()) {
    return {std::nullopt, "The audio was removed: " + call.recording.removed + "."};
  }
  auto wav = audio::read_wav(folder / record::kAudioFile);
  if (wav) return {std::move(*wav), {}};
  if (wav.error().code == Errc::not_found) {
    return {std::nullopt,
            fmt::format("{} is not on this machine.", (folder / record::kAudioFile).string())};
  }
  return {std::nullopt, fmt::format("The recording cannot be read: {}.", wav.error().context)};
}

}  // namespace call::cmd
