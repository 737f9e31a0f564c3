#include "core/media/instruments.hpp"

#include <algorithm>
#include <string>

namespace call::media {

Instruments::Instruments(metrics::Registry& registry)
    : active_calls(registry.gauge("calld_media_calls_active", "Calls being held now")),
      calls(registry.counter("calld_media_calls_total", "Calls whose stream was accepted")),
      refused_full(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                    {{"reason", "full"}})),
      refused_auth(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                    {{"reason", "auth"}})),
      refused_twice(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                     {{"reason", "duplicate_call"}})),
      start_timeouts(registry.counter("calld_media_refused_total", "Streams refused, by reason",
                                      {{"reason", "no_start"}})),
      frames_in_(
          registry.counter("calld_media_frames_in_total", "Audio messages from the carrier")),
      frames_out_(registry.counter("calld_media_frames_out_total",
                                   "Units of 20 ms of audio sent to the carrier")),
      underruns_(registry.counter("calld_media_underruns_total",
                                  "Times that the carrier ran dry in the middle of an utterance")),
      barge_ins_(registry.counter("calld_media_barge_ins_total", "Interruptions by callees")),
      messages_refused_(registry.counter("calld_media_messages_refused_total",
                                         "Messages that broke the protocol")),
      lateness_(registry.histogram("calld_media_tick_lateness_seconds",
                                   "How late the sender of a media loop ran",
                                   {0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.1})) {
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    drops_[i] =
        &registry.counter("calld_media_drops_total", "Frames or messages dropped, by reason",
                          {{"reason", std::string(kReasons[i])}});
  }
}

void Instruments::add_progress(const record::Counters& now, record::Counters& last) {
  frames_in_.add(now.frames_in - last.frames_in);
  frames_out_.add(now.frames_out - last.frames_out);
  underruns_.add(now.underruns - last.underruns);
  barge_ins_.add(now.barge_ins - last.barge_ins);
  messages_refused_.add(now.messages_refused - last.messages_refused);
  last.frames_in = now.frames_in;
  last.frames_out = now.frames_out;
  last.underruns = now.underruns;
  last.barge_ins = now.barge_ins;
  last.messages_refused = now.messages_refused;
}

void Instruments::add_drops(const record::Counters& counters) {
  for (const auto& [reason, count] : counters.drops) {
    const auto at = std::ranges::find(kReasons, reason);
    const auto index = at == kReasons.end() ? kReasons.size() - 1
                                            : static_cast<std::size_t>(at - kReasons.begin());
    drops_[index]->add(count);
  }
}

}  // namespace call::media
