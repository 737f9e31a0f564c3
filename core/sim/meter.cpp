#include "core/sim/meter.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace call::sim {

using std::chrono::milliseconds;

void Meter::begin_stream(std::int64_t call_ms) {
  stream_began_ms_ = call_ms;
  ++summary_.streams;
}

void Meter::end_stream(milliseconds at) {
  heard(at, {}, false);
  if (said_from_) {
    summary_.said_ms += (at - *said_from_).count();
    log_said(at, true);
  }
  barged_in_at_.reset();
  waits_since_.reset();
}

void Meter::frame(milliseconds at, const Playback::Tick& tick, const Caller::Frame& caller,
                  bool agent_sounding, bool late) {
  truth_.audio(caller.said, tick.frame);
  heard(at, tick, late);
  if (waits_since_ && caller.audible_heard) {
    const auto gap = (at - *waits_since_).count();
    summary_.turn_gap_ms.push_back(gap);
    truth_.event(in_call(at), "answered_callee", {{"after_ms", gap}});
    waits_since_.reset();
  }
  if (!agent_sounding) barged_in_at_.reset();
  said(at, caller, agent_sounding);
}

/// Runs of outbound audio, exact to the sample: a run ends where padding begins.
void Meter::heard(milliseconds at, const Playback::Tick& tick, bool late) {
  late_since_dry_ |= late;
  if (tick.gap) {
    const auto length = tick.gap->length.count();
    ++(late_since_dry_ ? summary_.gaps_while_late : summary_.gaps);
    if (!late_since_dry_)
      summary_.longest_gap_ms = std::max<std::int64_t>(summary_.longest_gap_ms, length);
    truth_.event(in_call(at), "gap",
                 {{"at_ms", in_call(tick.gap->at)},
                  {"length_ms", length},
                  {"simulator_late", late_since_dry_}});
  }
  if (tick.played == audio::kFrameSamples) late_since_dry_ = false;
  if (tick.played > 0) {
    if (!heard_from_) heard_from_ = at;
    heard_samples_ += tick.played;
  }
  if (!heard_from_ || tick.played == audio::kFrameSamples) return;
  const auto length = audio::duration_of(heard_samples_);
  summary_.heard_ms += length.count();
  truth_.event(in_call(at), "heard",
               {{"from_ms", in_call(*heard_from_)}, {"to_ms", in_call(*heard_from_ + length)}});
  heard_from_.reset();
  heard_samples_ = 0;
}

void Meter::said(milliseconds at, const Caller::Frame& caller, bool agent_sounding) {
  if (caller.began) {
    said_from_ = at;
    line_ = *caller.began;
    waits_since_.reset();
    if (agent_sounding && *caller.began != Caller::kGreeting) {
      ++summary_.barge_ins;
      barged_in_at_ = at;
    }
  }
  if (!caller.pressed.empty())
    truth_.event(in_call(at), "pressed",
                 {{"digits", caller.pressed}, {"over_agent", agent_sounding}});
  if (!caller.ended && caller.pressed.empty()) return;
  const auto end = at + audio::kFrameDuration;
  if (said_from_ && caller.ended) {
    ++summary_.lines_said;
    summary_.said_ms += (end - *said_from_).count();
    log_said(end, false);
  }
  if (!agent_sounding) waits_since_ = end;
}

void Meter::log_said(milliseconds end, bool cut) {
  nlohmann::ordered_json fields{{"from_ms", in_call(*said_from_)}, {"to_ms", in_call(end)}};
  if (line_ == Caller::kGreeting)
    fields["greeting"] = true;
  else
    fields["line"] = line_;
  if (cut) fields["cut"] = true;
  truth_.event(in_call(end), "said", fields);
  said_from_.reset();
}

void Meter::cleared(milliseconds at, const Playback::Cleared& cleared) {
  ++summary_.clears;
  truth_.event(in_call(at), "clear",
               {{"dropped_ms", cleared.dropped.count()}, {"marks", cleared.marks.size()}});
  if (!barged_in_at_) return;
  const auto stop = (at - *barged_in_at_).count();
  summary_.barge_in_stop_ms.push_back(stop);
  truth_.event(in_call(at), "barge_in",
               {{"from_ms", in_call(*barged_in_at_)}, {"stopped_after_ms", stop}});
  barged_in_at_.reset();
}

void Meter::marked(milliseconds at, std::string_view name, bool reached) {
  if (!reached) ++summary_.marks;
  truth_.event(in_call(at), reached ? "mark_reached" : "mark", {{"name", name}});
}

}  // namespace call::sim
