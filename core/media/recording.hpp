// The two tracks of a call, put side by side by sample count and never by the wall clock (a stalled
// process must not leave holes in a recording). Pure; one thread. Blocks come out for the spool
// when both tracks are known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/audio/format.hpp"

namespace call::media {

/// Both tracks from `position` (samples from the call's start) on; equally long.
struct RecordedBlock {
  std::int64_t position = 0;
  audio::Mulaw callee;
  audio::Mulaw agent;
};

class Recording {
 public:
  /// Appends the callee's audio; `gap` samples of silence go before it.
  void add_callee(std::size_t gap, audio::MulawView mulaw);
  /// What the callee heard of the agent, ending at `end` if that is later than what is there
  /// already. Closer than kSeam to what was heard before it is a continuation: a mark's jitter
  /// leaves no hole in the voice.
  void add_agent(std::int64_t end, audio::MulawView mulaw);
  /// Nothing of the agent will be added before `position`.
  void agent_silent_until(std::int64_t position);

  /// A block of at least `least` samples, if there is one.
  std::optional<RecordedBlock> take(std::size_t least);
  /// All that is left; the shorter track is padded with silence.
  std::optional<RecordedBlock> finish();

  std::int64_t callee_end() const { return base_ + static_cast<std::int64_t>(callee_.size()); }
  std::int64_t agent_end() const { return base_ + static_cast<std::int64_t>(agent_.size()); }

  static constexpr std::int64_t kSeam = 80 * 8;  ///< samples

 private:
  RecordedBlock cut(std::size_t samples);

  std::int64_t base_ = 0;  ///< position of the first sample that has not been taken
  audio::Mulaw callee_;
  audio::Mulaw agent_;
};

}  // namespace call::media
