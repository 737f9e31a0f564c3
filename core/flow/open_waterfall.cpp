#include "core/flow/open_waterfall.hpp"

namespace call::flow {

void OpenWaterfall::begin(std::size_t turn, const media::TurnEnded& ended) {
  open_ = all_.size();
  auto& waterfall = all_.emplace_back();
  waterfall.turn = static_cast<std::uint32_t>(turn);
  waterfall.speech_end_ms = ended.speech_end_ms;
  waterfall.endpoint_ms = ended.endpoint_ms;
}

void OpenWaterfall::mark(std::optional<std::int64_t> record::Waterfall::*point,
                         std::int64_t at_ms) {
  if (open_ && !(all_[*open_].*point)) all_[*open_].*point = at_ms;
}

void OpenWaterfall::on(const media::FirstAudioSent& event) {
  mark(&record::Waterfall::first_audio_sent_ms, event.at_ms);
}

void OpenWaterfall::on(const media::Heard& event) {
  mark(&record::Waterfall::first_heard_ms, event.at_ms - event.heard_ms);
  close();
}

}  // namespace call::flow
