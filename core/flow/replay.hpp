// Runs a whole call again from its tape: the session on what the carrier sent, then the conversation
// on what the session told it. Whatever both decide must be what they decided then, to the last bit.
// Offline: no socket, no database, no speech engine. Blocks while it computes.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/media/replay.hpp"
#include "core/record/call_record.hpp"

namespace call::flow {

struct Replay {
  media::SessionReplay session;
  std::size_t handler_inputs = 0;
  std::size_t handler_decisions = 0;
  bool has_handler = false;       ///< the tape has its track
  bool handler_complete = false;  ///< ... to the end
  std::optional<media::Difference> handler_difference;
  bool identical() const { return !session.difference && !handler_difference; }
};

/// Errc::protocol: the tape is damaged, or of an agent that cannot be read any more.
Result<Replay> replay(std::string_view tape, const media::TraceReplay& trace = {});

}  // namespace call::flow
