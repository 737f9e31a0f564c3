#include "core/media/taped_session.hpp"

#include <cstring>

#include "core/media/tape_text.hpp"

namespace call::media {

using namespace session_tape;

/// Stands before the voice detector: its answers are inputs, so that a replay does not depend on
/// how they were computed.
class TapedSession::VoiceTap final : public speech::Vad {
 public:
  VoiceTap(std::unique_ptr<speech::Vad> vad, TapedSession& owner)
      : vad_(std::move(vad)), owner_(owner) {}
  float push(audio::PcmView pcm) noexcept override {
    const float answer = vad_->push(pcm);
    if (owner_.tape_) {
      char bytes[sizeof answer];
      std::memcpy(bytes, &answer, sizeof answer);
      owner_.put(kVoice, {bytes, sizeof bytes});
    }
    return answer;
  }
  void reset() noexcept override { vad_->reset(); }

 private:
  std::unique_ptr<speech::Vad> vad_;
  TapedSession& owner_;
};

TapedSession::TapedSession(const SessionOptions& options, Time now, bool taped)
    : options_(options), session_(options, now), tape_(taped ? std::make_unique<Tape>() : nullptr) {
  if (!tape_) return;
  tape_->opened = tape_->now = now;
  put(kOptions, options_text(options));
}

TapedSession::~TapedSession() = default;

void TapedSession::put(char kind, std::string_view bytes) {
  const auto at = std::chrono::duration_cast<std::chrono::nanoseconds>(tape_->now - tape_->opened);
  tape_->writer.put(kind, at.count(), bytes);
}

void TapedSession::note(char kind, std::string_view bytes, Time now, const Output& out) {
  tape_->now = now;
  tape_->messages = out.messages.size();
  tape_->events = out.events.size();
  tape_->recorded = out.recorded.size();
  put(kind, bytes);
}

void TapedSession::note_decisions(const Output& out) {
  for (auto i = tape_->messages; i < out.messages.size(); ++i) {
    put(kDecided, describe_message(out.messages[i]));
  }
  for (auto i = tape_->events; i < out.events.size(); ++i) put(kDecided, describe(out.events[i]));
  for (auto i = tape_->recorded; i < out.recorded.size(); ++i) {
    put(kDecided, describe(out.recorded[i]));
  }
}

void TapedSession::on_message(std::string_view text, Time now, Output& out) {
  if (tape_) note(kMessage, text, now, out);
  session_.on_message(text, now, out);
  if (tape_) note_decisions(out);
}

void TapedSession::on_tick(Time now, Output& out) {
  if (tape_) note(kTick, {}, now, out);
  session_.on_tick(now, out);
  if (tape_) note_decisions(out);
}

void TapedSession::on_command(Command command, Time now, Output& out) {
  if (tape_) note(kCommand, encode_command(command), now, out);
  session_.on_command(std::move(command), now, out);
  if (tape_) note_decisions(out);
}

void TapedSession::accept(Session::Mode mode, std::unique_ptr<speech::Vad> vad,
                          const CallTuning& tuning, Time now) {
  if (tape_) {
    options_.tuning = tuning;
    note(kAccept, (mode == Session::Mode::echo ? "e" : "c") + options_text(options_), now, {});
    if (vad) vad = std::make_unique<VoiceTap>(std::move(vad), *this);
  }
  session_.accept(mode, std::move(vad), tuning, now);
}

void TapedSession::end(std::string_view reason, Time now, Output& out) {
  if (tape_ && !session_.ended()) note(kEnd, reason, now, out);
  const bool had_ended = session_.ended();
  session_.end(reason, now, out);
  if (tape_ && !had_ended) note_decisions(out);
}

std::string TapedSession::take_tape(std::size_t least) {
  return tape_ && tape_->writer.waiting() >= std::max<std::size_t>(least, 1) ? tape_->writer.take()
                                                                             : std::string();
}

}  // namespace call::media
