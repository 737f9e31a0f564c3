// The folder of one call in the spool and, later, among the filed records: <call_sid>/record.json,
// audio.wav, transcript.txt. While it is being written it is called <call_sid>.part and also holds
// the two raw tracks.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/record/call_record.hpp"

namespace call::record {

inline constexpr std::string_view kRecordFile = "record.json";
inline constexpr std::string_view kAudioFile = "audio.wav";
inline constexpr std::string_view kTranscriptFile = "transcript.txt";
inline constexpr std::string_view kPartSuffix = ".part";

/// A call id that is safe as a folder's name: 1 to 64 of [A-Za-z0-9_-].
bool is_safe_call_sid(std::string_view call_sid);

/// Reads <folder>/record.json. Blocks.
Result<CallRecord> read_folder(const std::filesystem::path& folder);
/// Writes record.json and transcript.txt into an existing folder, each fsynced. Blocks.
Status write_texts(const std::filesystem::path& folder, const CallRecord& record);
/// fsyncs <spool>/<call_sid>.part and renames it to <spool>/<call_sid>, so that a reader of the
/// spool sees the whole folder or none. An existing folder of that name is Errc::conflict. Blocks.
Status publish(const std::filesystem::path& spool, std::string_view call_sid);

}  // namespace call::record
