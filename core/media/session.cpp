#include "core/media/session.hpp"

#include <algorithm>
#include <type_traits>

#include "core/audio/g711.hpp"
#include "core/base/assert.hpp"

namespace call::media {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

/// Carrier clocks drift and start late: a timestamp that is off by less than this is no gap.
constexpr std::int64_t kTimestampSlack = 100 * 8;
/// A timestamp may not claim more audio than could have been spoken since the socket was opened,
/// plus this.
constexpr milliseconds kMaxAhead{5000};
constexpr std::size_t kRecordedBlock = 8000;

audio::MulawView as_mulaw(std::string_view bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

Session::Session(const SessionOptions& options, Time now)
    : options_(options),
      opened_(now),
      last_message_(now),
      clock_zero_(now),
      message_tokens_(options.max_message_burst),
      tokens_at_(now),
      playout_(options.tuning.playout),
      turn_(options.tuning.turn),
      voicemail_(options.tuning.voicemail),
      max_duration_(options.tuning.max_duration) {}

std::int64_t Session::sample_clock_ms(Time now) const {
  return std::max<std::int64_t>(duration_cast<milliseconds>(now - clock_zero_).count(), 0);
}

void Session::send(std::string message, Output& out) {
  ++counters_.messages_out;
  out.messages.push_back(std::move(message));
}

void Session::refuse(std::string reason, Time now, Output& out) {
  ++counters_.messages_refused;
  out.refused = std::move(reason);
  if (++refused_ >= options_.max_refused_messages) end("protocol_error", now, out);
}

/// A token bucket: refilled at the rate, emptied by messages.
bool Session::within_rate(Time now) {
  const std::chrono::duration<double> span = now - tokens_at_;
  tokens_at_ = now;
  message_tokens_ = std::min(message_tokens_ + span.count() * options_.max_messages_per_s,
                             options_.max_message_burst);
  message_tokens_ -= 1;
  return message_tokens_ >= 0;
}

void Session::on_ignored(const Ignored& ignored, Output& out) {
  switch (ignored.why) {
    case Ignored::Why::unknown_event:
      return count_drop("unknown_event");
    case Ignored::Why::other_track:
      return count_drop("other_track");
    case Ignored::Why::carrier_error:
      count_drop("carrier_error");
      out.carrier_error = ignored.what;
      return;
  }
}

void Session::on_message(std::string_view text, Time now, Output& out) {
  if (ended()) return;
  last_message_ = now;
  ++counters_.messages_in;
  if (!within_rate(now)) return end("message_flood", now, out);
  auto parsed = parse_message(text, options_.dialect, start_.stream_sid);
  if (!parsed) return refuse(parsed.error().context, now, out);
  std::visit(
      [&](auto& message) {
        using T = std::decay_t<decltype(message)>;
        if constexpr (std::is_same_v<T, Connected>) {
          return;
        } else if constexpr (std::is_same_v<T, StartInfo>) {
          on_start(std::move(message), now, out);
        } else if constexpr (std::is_same_v<T, Ignored>) {
          on_ignored(message, out);
        } else if (!accepted_) {
          count_drop("before_start");
        } else if constexpr (std::is_same_v<T, MediaFrame>) {
          on_media(message, now, out);
        } else if constexpr (std::is_same_v<T, MarkEcho>) {
          on_mark(message, now, out);
        } else if constexpr (std::is_same_v<T, DigitKey>) {
          if (mode_ == Mode::conversation) {
            out.events.push_back(DigitPressed{message.digit, sample_clock_ms(now)});
          }
        } else {
          static_assert(std::is_same_v<T, StopInfo>);
          end(stream_end_.reason, now, out);
        }
      },
      *parsed);
}

void Session::on_start(StartInfo&& start, Time now, Output& out) {
  if (state_ != State::waiting_for_start) return refuse("a second start message", now, out);
  start_ = std::move(start);
  writer_ = MessageWriter(options_.dialect, start_.stream_sid);
  state_ = State::deciding;
  out.started = start_;
}

void Session::accept(Mode mode, std::unique_ptr<speech::Vad> vad, const CallTuning& tuning,
                     Time now) {
  CALL_ASSERT(state_ == State::deciding);
  CALL_ASSERT(mode == Mode::echo || vad != nullptr);
  playout_ = Playout(tuning.playout);
  turn_ = TurnTracker(tuning.turn);
  voicemail_ = VoicemailDetector(tuning.voicemail);
  max_duration_ = tuning.max_duration;
  mode_ = mode;
  vad_ = std::move(vad);
  state_ = State::active;
  accepted_ = true;
  clock_zero_ = now;
}

/// Samples of silence to put before this frame. Also keeps the sample clock: the earliest arrival,
/// relative to its timestamp, is the one that the network delayed least.
std::size_t Session::gap_before(const MediaFrame& frame, Time now) {
  const std::int64_t position = recording_.callee_end();
  const std::int64_t end_ms = (position + static_cast<std::int64_t>(frame.mulaw.size())) / 8;
  const std::int64_t stamp_ms = frame.timestamp_ms.value_or(position / 8);
  const std::int64_t gap = stamp_ms * 8 - position;
  const std::int64_t possible_ms = duration_cast<milliseconds>(now - opened_ + kMaxAhead).count();
  const bool believable = gap > kTimestampSlack && stamp_ms <= possible_ms;
  const std::int64_t filled = believable ? gap : 0;
  const Time zero = now - milliseconds(end_ms + filled / 8);
  if (!clock_set_ || zero < clock_zero_ || filled > 0) clock_zero_ = zero;
  clock_set_ = true;
  return static_cast<std::size_t>(filled);
}

void Session::on_media(const MediaFrame& frame, Time now, Output& out) {
  ++counters_.frames_in;
  const auto mulaw = as_mulaw(frame.mulaw);
  if (milliseconds(received_ms()) > now - opened_ + options_.max_audio_ahead) {
    return end("audio_flood", now, out);
  }
  const std::size_t gap = gap_before(frame, now);
  recording_.add_callee(gap, mulaw);
  counters_.inbound_gap_ms += gap / 8;
  if (mode_ == Mode::echo) {
    echo(mulaw, out);
  } else {
    if (gap > 0) turn_.skip(audio::duration_of(gap), out.events);
    listen(mulaw, now, out);
  }
  flush_recording(out);
}

void Session::echo(audio::MulawView mulaw, Output& out) {
  send(writer_.media(mulaw), out);
  counters_.frames_out += (mulaw.size() + audio::kFrameSamples - 1) / audio::kFrameSamples;
  recording_.add_agent(recording_.callee_end(), mulaw);
}

void Session::listen(audio::MulawView mulaw, Time now, Output& out) {
  pcm_.resize(mulaw.size());
  audio::mulaw_decode(mulaw, pcm_);
  const float probability = vad_->push(pcm_);
  const TurnTracker::Agent agent{playout_.audible(now), playout_.interruptible()};
  if (turn_.push(pcm_, probability, agent, out.events)) cut_off(true, now, out);
  const auto sign = voicemail_.push(pcm_, turn_.in_speech());
  if (sign) {
    out.events.push_back(
        MachineHeard{*sign == VoicemailDetector::Sign::beep, sample_clock_ms(now)});
  }
}

/// Of what was heard since the last mark the newest utterance is the caller's to tell; one before it
/// was heard to its end.
Playout::Cleared Session::clear_playout(Time now, Output& out) {
  Playout::Cleared cleared = playout_.clear(now);
  for (const auto& part : cleared.heard) {
    recording_.add_agent(recording_.callee_end(), part.audio);
    if (part.complete && part.generation != cleared.generation)
      out.events.push_back(Heard{part.generation, part.heard_ms, sample_clock_ms(now), true});
  }
  return cleared;
}

/// Clears the carrier's buffer. Echoes of the marks that it held are stale from here on.
void Session::cut_off(bool by_callee, Time now, Output& out) {
  const auto cleared = clear_playout(now, out);
  if (cleared.anything) {
    ++counters_.clears;
    send(writer_.clear(), out);
  }
  if (!by_callee) {
    if (cleared.generation != 0) {
      out.events.push_back(
          Heard{cleared.generation, cleared.heard_ms, sample_clock_ms(now), false});
    }
    return;
  }
  ++counters_.barge_ins;
  out.events.push_back(
      BargedIn{cleared.generation, cleared.heard_ms, cleared.last_cut_off, sample_clock_ms(now)});
}

void Session::on_mark(const MarkEcho& mark, Time now, Output& out) {
  std::vector<Playout::Confirmed> confirmed;
  switch (playout_.on_mark(mark.name, now, confirmed)) {
    case Playout::Echo::confirmed:
      ++counters_.marks_heard;
      break;
    case Playout::Echo::stale:
      ++counters_.marks_stale;
      break;
    case Playout::Echo::unknown:
      count_drop("mark_unknown");
      break;
  }
  heard(confirmed, now, out);
  if (!confirmed.empty()) top_up(now, out);
}

void Session::heard(std::vector<Playout::Confirmed>& confirmed, Time now, Output& out) {
  for (const auto& part : confirmed) {
    recording_.add_agent(recording_.callee_end(), part.audio);
    if (!part.first && !part.complete) continue;
    out.events.push_back(
        Heard{part.generation, part.heard_ms, sample_clock_ms(now), part.complete});
  }
}

void Session::top_up(Time now, Output& out) {
  pieces_.clear();
  playout_.top_up(now, pieces_);
  for (const auto& piece : pieces_) {
    if (!piece.audio.empty()) {
      send(writer_.media(piece.audio), out);
      counters_.frames_out += piece.audio.size() / audio::kFrameSamples;
    }
    send(writer_.mark(piece.mark), out);
    ++counters_.marks_sent;
    if (piece.underrun) ++counters_.underruns;
    if (piece.first) out.events.push_back(FirstAudioSent{piece.generation, sample_clock_ms(now)});
  }
}

void Session::flush_recording(Output& out) {
  if (mode_ == Mode::conversation && playout_.idle()) {
    recording_.agent_silent_until(recording_.callee_end());
  }
  if (auto block = recording_.take(kRecordedBlock)) out.recorded.push_back(std::move(*block));
}

void Session::on_tick(Time now, Output& out) {
  if (ended()) return;
  if (!accepted_) {
    if (now - opened_ >= options_.start_timeout) return end("no_start", now, out);
    if (!late_told_ && now - opened_ >= options_.start_warning)
      out.start_is_late = late_told_ = true;
    return;
  }
  if (now - last_message_ >= options_.peer_timeout) return end("peer_lost", now, out);
  if (now - clock_zero_ >= max_duration_) return end("max_duration", now, out);
  std::vector<Playout::Confirmed> confirmed;
  if (const auto lost = playout_.expire_marks(now, confirmed); lost > 0)
    count_drop("mark_lost", lost);
  heard(confirmed, now, out);
  top_up(now, out);
}

void Session::on_command(Command command, Time now, Output& out) {
  if (ended() || !accepted_) return;
  std::visit(
      [&](auto& c) {
        using T = std::decay_t<decltype(c)>;
        if constexpr (std::is_same_v<T, BeginSpeech>) {
          playout_.begin(c.generation, c.interruptible);
        } else if constexpr (std::is_same_v<T, AddSpeech>) {
          const auto added = playout_.add(c.generation, c.mulaw);
          const auto frames = c.mulaw.size() / audio::kFrameSamples;
          if (added == Playout::Add::cut_off) count_drop("speech_cut_off", frames);
          if (added == Playout::Add::overflow) count_drop("speech_overflow", frames);
        } else if constexpr (std::is_same_v<T, EndSpeech>) {
          playout_.end(c.generation);
        } else if constexpr (std::is_same_v<T, CancelSpeech>) {
          cut_off(false, now, out);
        } else if constexpr (std::is_same_v<T, FinishTurn>) {
          turn_.finish_turn(out.events);
        } else if constexpr (std::is_same_v<T, SetEndpointing>) {
          turn_.set_end_after(c.end_after);
        } else if constexpr (std::is_same_v<T, StreamEndMeans>) {
          stream_end_ = std::move(c);
        } else {
          static_assert(std::is_same_v<T, HangUp>);
          end(c.reason, now, out);
        }
      },
      command);
  if (!ended()) top_up(now, out);
}

void Session::end(std::string_view reason, Time now, Output& out) {
  if (ended()) return;
  end_reason_ = reason;
  state_ = State::ended;
  out.ended = true;
  if (!accepted_) return;
  if (mode_ == Mode::conversation) {
    const auto cleared = clear_playout(now, out);
    if (cleared.generation != 0) {
      out.events.push_back(
          Heard{cleared.generation, cleared.heard_ms, sample_clock_ms(now), false});
    }
    turn_.finish_turn(out.events);
  }
  if (auto block = recording_.finish()) out.recorded.push_back(std::move(*block));
  out.events.push_back(CallEnded{end_reason_, sample_clock_ms(now)});
}

}  // namespace call::media
