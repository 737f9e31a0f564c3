// Runs a call's session again, from its tape: the same code, the same inputs at the same times.
// Offline and deterministic. Blocks for as long as it computes, some milliseconds a minute of call.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/media/event.hpp"
#include "core/media/protocol.hpp"

namespace call::media {

/// Where a replay did something else than the tape says.
struct Difference {
  std::int64_t at_ns = 0;  ///< since the stream was opened
  std::string input;       ///< what came in
  std::string on_tape;     ///< what was decided then; empty: nothing
  std::string now;         ///< what is decided now; empty: nothing
};

/// Told of every input and every decision in order; for people.
using TraceReplay = std::function<void(std::int64_t at_ns, char kind, std::string_view text)>;

struct SessionReplay {
  StartInfo start;
  std::vector<Event> events;      ///< to the handler
  std::vector<std::string> sent;  ///< commands of the handler, described
  std::size_t inputs = 0;
  std::size_t decisions = 0;  ///< that were the same
  std::int64_t length_ns = 0;
  bool ended = false;  ///< the tape goes to the end of the call
  std::optional<Difference> difference;
};

/// Errc::protocol when the track is damaged.
Result<SessionReplay> replay_session(std::string_view track, const TraceReplay& trace = {});

}  // namespace call::media
