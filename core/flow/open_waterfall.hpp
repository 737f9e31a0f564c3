// The waterfall of the turn that is being answered (record::Waterfall). Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/media/event.hpp"
#include "core/record/call_record.hpp"

namespace call::flow {

/// Open from the end of a callee's turn until the answer is heard, or given up; points that come while none is open
/// are passed over, and so is a second point of the same kind.
class OpenWaterfall {
 public:
  /// Adds to `all`, which outlives this.
  explicit OpenWaterfall(std::vector<record::Waterfall>& all) : all_(all) {}

  /// `turn`: its index in the report. Whatever was open is left as it is.
  void begin(std::size_t turn, const media::TurnEnded& ended);
  void close() { open_.reset(); }

  void mark(std::optional<std::int64_t> record::Waterfall::*point, std::int64_t at_ms);
  /// Of the utterance that answers.
  void on(const media::FirstAudioSent& event);
  void on(const media::Heard& event);

 private:
  std::vector<record::Waterfall>& all_;
  std::optional<std::size_t> open_;
};

}  // namespace call::flow
