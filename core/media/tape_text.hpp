// What goes onto a call's tape: every decision as one line of text that differs when any bit of it
// differs, commands as bytes that become the same command again, and the session's options. A new
// event, command or option needs its line in the .cpp, and the compiler says so. Pure.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/media/event.hpp"
#include "core/media/session.hpp"

namespace call::media {

/// FNV-1a, to tell whether two pieces of audio are the same.
std::uint64_t fingerprint(std::string_view bytes);

std::string describe(const Event& event);
std::string describe(const Command& command);
std::string describe(const RecordedBlock& block);
/// A message to the carrier: itself, or its length and fingerprint when it is long.
std::string describe_message(std::string_view message);

std::string encode_command(const Command& command);
/// Errc::protocol: the bytes are none that encode_command() makes.
Result<Command> decode_command(std::string_view bytes);

/// JSON of all options. Reading ignores names that are unknown and keeps the default of those that
/// are missing. Errc::protocol: a value that an option cannot have.
std::string options_text(const SessionOptions& options);
Result<SessionOptions> options_from_text(std::string_view text);

}  // namespace call::media
