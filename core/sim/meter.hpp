// Measures one call: what was said and heard, stutters, turn gaps, barge-ins. Everything goes into
// the call's Summary and, event by event, into its truth log. On the loop; times inside a stream
// come from the sound, not from a clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/sim/caller.hpp"
#include "core/sim/model.hpp"
#include "core/sim/playback.hpp"
#include "core/sim/truth.hpp"

namespace call::sim {

class Meter {
 public:
  Meter(Summary& summary, TruthLog& truth) : summary_(summary), truth_(truth) {}

  /// A stream began; `call_ms` is where its time 0 lies in the call.
  void begin_stream(std::int64_t call_ms);
  void end_stream(std::chrono::milliseconds at);
  /// One step of 20 ms that began at `at`. `late`: this simulator lagged. A gap with a late step
  /// in it proves nothing and is counted apart.
  void frame(std::chrono::milliseconds at, const Playback::Tick& tick, const Caller::Frame& caller,
             bool agent_sounding, bool late);
  void cleared(std::chrono::milliseconds at, const Playback::Cleared& cleared);
  void marked(std::chrono::milliseconds at, std::string_view name, bool reached);

 private:
  std::int64_t in_call(std::chrono::milliseconds at) const { return stream_began_ms_ + at.count(); }
  void heard(std::chrono::milliseconds at, const Playback::Tick& tick, bool late);
  void said(std::chrono::milliseconds at, const Caller::Frame& caller, bool agent_sounding);
  void log_said(std::chrono::milliseconds end, bool cut);

  Summary& summary_;
  TruthLog& truth_;
  std::int64_t stream_began_ms_ = 0;
  std::optional<std::chrono::milliseconds> heard_from_;  ///< a run of outbound audio is sounding
  std::uint64_t heard_samples_ = 0;                      ///< of that run
  bool late_since_dry_ = false;  ///< this simulator lagged since outbound audio ran out
  std::optional<std::chrono::milliseconds> said_from_;
  std::size_t line_ = 0;  ///< being said
  std::optional<std::chrono::milliseconds> barged_in_at_;
  std::optional<std::chrono::milliseconds>
      waits_since_;  ///< the callee has finished and waits for an answer
};

}  // namespace call::sim
