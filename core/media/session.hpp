// One call's state machine: no socket, no thread, no clock. Messages, ticks and commands go in with
// the time; what is to be done comes out. It lives on its call's loop; everything here is bounded
// and quick.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/deadline.hpp"
#include "core/media/event.hpp"
#include "core/media/playout.hpp"
#include "core/media/protocol.hpp"
#include "core/media/recording.hpp"
#include "core/media/turn.hpp"
#include "core/media/voicemail.hpp"
#include "core/record/call_record.hpp"
#include "core/speech/vad.hpp"

namespace call::media {

/// What an agent may choose for its calls.
struct CallTuning {
  /// Which voice detector: the neural one, or the level against an adaptive noise floor.
  enum class Vad { neural, energy };
  PlayoutOptions playout;
  TurnOptions turn;
  VoicemailOptions voicemail;
  Vad vad = Vad::neural;
  std::chrono::milliseconds max_duration{std::chrono::hours(24)};
};

struct SessionOptions {
  std::chrono::milliseconds start_warning{2500};  ///< real start messages come as late as 1.8 s
  std::chrono::milliseconds start_timeout{5000};
  std::chrono::milliseconds peer_timeout{
      10000};  ///< the carrier sends audio all the time; silence means it is gone
  std::size_t max_refused_messages = 100;  ///< a peer that talks nonsense is sent away
  /// A carrier sends 50 frames a second, and a mark or a digit now and then. Beyond this rate, after
  /// a burst as a stalled network makes it, the peer is none.
  double max_messages_per_s = 200;
  double max_message_burst = 2000;
  /// Nobody speaks faster than time: audio further ahead than this ends the call.
  std::chrono::milliseconds max_audio_ahead{15000};
  Dialect dialect = Dialect::twilio;
  CallTuning tuning;  ///< of calls whose agent chooses nothing
};

class Session {
 public:
  using Time = MonoClock::time_point;

  /// What is to be done after a call into the session. The caller empties it.
  struct Output {
    std::vector<std::string> messages;  ///< to the carrier, in order
    std::vector<Event> events;          ///< to the handler, in order
    std::vector<RecordedBlock> recorded;
    std::optional<StartInfo> started;    ///< answer with accept() or end()
    std::optional<std::string> refused;  ///< why the last message broke the protocol, for the log
    std::optional<std::string> carrier_error;  ///< what the carrier complains of, for the log
    bool start_is_late = false;                ///< told once
    bool ended = false;  ///< told once; the socket is to be closed, see end_reason()
  };

  enum class Mode {
    conversation,  ///< events to a handler, its commands back
    echo,          ///< every frame goes back to where it came from
  };

  /// `now`: the socket was opened.
  Session(const SessionOptions& options, Time now);

  void on_message(std::string_view text, Time now, Output& out);
  /// To be called every 20 to 100 ms.
  void on_tick(Time now, Output& out);
  void on_command(Command command, Time now, Output& out);
  /// After Output::started. `vad` may be null for echo.
  void accept(Mode mode, std::unique_ptr<speech::Vad> vad, Time now) {
    accept(mode, std::move(vad), options_.tuning, now);
  }
  void accept(Mode mode, std::unique_ptr<speech::Vad> vad, const CallTuning& tuning, Time now);
  /// Ends the call; the first reason stays. Harmless when it has ended.
  void end(std::string_view reason, Time now, Output& out);

  bool ended() const { return state_ == State::ended; }
  /// A start message came and was accepted.
  bool accepted() const { return accepted_; }
  const std::string& end_reason() const { return end_reason_; }
  /// Why the call ends when the carrier ends its stream.
  const std::string& stream_end_means() const { return stream_end_.reason; }
  const StartInfo& start() const { return start_; }
  record::Counters& counters() { return counters_; }
  const record::Counters& counters() const { return counters_; }
  /// The call's sample clock, continued between frames by the clock.
  std::int64_t sample_clock_ms(Time now) const;
  /// The time at which the sample clock stood at 0.
  Time sample_clock_zero() const { return clock_zero_; }
  std::int64_t received_ms() const { return recording_.callee_end() / 8; }

 private:
  enum class State { waiting_for_start, deciding, active, ended };

  void on_start(StartInfo&& start, Time now, Output& out);
  void on_media(const MediaFrame& frame, Time now, Output& out);
  void on_mark(const MarkEcho& mark, Time now, Output& out);
  void on_ignored(const Ignored& ignored, Output& out);
  void refuse(std::string reason, Time now, Output& out);
  bool within_rate(Time now);
  std::size_t gap_before(const MediaFrame& frame, Time now);
  void echo(audio::MulawView mulaw, Output& out);
  void listen(audio::MulawView mulaw, Time now, Output& out);
  void top_up(Time now, Output& out);
  void cut_off(bool by_callee, Time now, Output& out);
  Playout::Cleared clear_playout(Time now, Output& out);
  void heard(std::vector<Playout::Confirmed>& confirmed, Time now, Output& out);
  void flush_recording(Output& out);
  void send(std::string message, Output& out);
  void count_drop(const char* reason, std::uint64_t count = 1) { counters_.drops[reason] += count; }

  SessionOptions options_;
  State state_ = State::waiting_for_start;
  Mode mode_ = Mode::conversation;
  bool accepted_ = false;
  bool late_told_ = false;
  Time opened_;
  Time last_message_;
  Time clock_zero_{};
  bool clock_set_ = false;
  std::size_t refused_ = 0;
  double message_tokens_;
  Time tokens_at_;
  StartInfo start_;
  MessageWriter writer_;
  std::string end_reason_;
  StreamEndMeans stream_end_;
  std::unique_ptr<speech::Vad> vad_;
  Playout playout_;
  TurnTracker turn_;
  VoicemailDetector voicemail_;
  std::chrono::milliseconds max_duration_;
  Recording recording_;
  record::Counters counters_;
  audio::Pcm pcm_;                      ///< scratch
  std::vector<Playout::Piece> pieces_;  ///< scratch
};

}  // namespace call::media
