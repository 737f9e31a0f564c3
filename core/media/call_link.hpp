// The bounded bridge between a call's session (on its loop) and its handler (on a thread that may
// block). The loop side never blocks: audio gives way when the handler is slow (oldest first,
// counted), events of control never do, and a handler that lets too many of them pile up loses its
// call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/base/deadline.hpp"
#include "core/base/pi_mutex.hpp"
#include "core/base/result.hpp"
#include "core/media/event.hpp"
#include "core/media/protocol.hpp"

namespace call::media {

class CallLink {
 public:
  /// Takes a command to the session; called from the handler's thread, must not block. The session
  /// may be gone.
  using Post = std::function<void(Command)>;

  CallLink(StartInfo start, Post post, MonoClock::time_point sample_clock_zero);

  // ---- the handler's side

  /// Waits for the next event: Errc::timeout, Errc::cancelled after wake(), or Errc::closed once
  /// CallEnded has been taken. Blocks.
  Result<Event> next(Deadline deadline);
  /// The handler has news from elsewhere: ends a wait, this one or the next. Thread-safe.
  void wake();
  /// Thread-safe, never blocks; nothing happens when the call has ended or a HangUp was sent.
  void send(Command command);
  /// The call has ended or the callee has interrupted: stop computing what nobody will hear.
  /// Thread-safe.
  bool ended() const;
  /// The utterance was begun and nothing has cut it off. Thread-safe.
  bool is_current(Generation generation) const;
  /// The call's sample clock, now. Thread-safe.
  std::int64_t clock_ms() const;
  const StartInfo& start() const { return start_; }

  /// Takes what the handler writes onto its track of the call's tape; false: it was not taken, and
  /// the handler stops taping. Empty: the call is not taped.
  using TapeSink = std::function<bool(std::string)>;
  const TapeSink& tape_sink() const { return tape_sink_; }

  // ---- the loop's side

  /// Before the handler starts.
  void set_tape_sink(TapeSink sink) { tape_sink_ = std::move(sink); }

  enum class Push {
    ok,
    dropped_audio,  ///< taken, and the oldest audio given up
    stuck,          ///< not taken: the handler does not read; end the call
  };
  Push push(Event event);
  void set_sample_clock_zero(MonoClock::time_point zero);

  static constexpr std::size_t kMaxAudioEvents = 256;  ///< 40 s of speech
  static constexpr std::size_t kMaxEvents = 1024;

 private:
  void drop_oldest_audio();

  const StartInfo start_;
  const Post post_;
  TapeSink tape_sink_;
  mutable PiMutex mutex_;
  PiCondition ready_;
  std::deque<Event> events_;
  std::size_t audio_events_ = 0;
  bool woken_ = false;
  bool ended_ = false;    ///< CallEnded was pushed
  bool drained_ = false;  ///< CallEnded was taken
  bool hung_up_ = false;  ///< the handler has asked for the end; that is its last word
  Generation newest_ = 0;
  Generation cut_off_ = 0;
  MonoClock::time_point clock_zero_;
};

}  // namespace call::media
