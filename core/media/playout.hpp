// What the callee hears of the agent. Audio is sent ahead of real time, so that the carrier's
// buffer is the jitter buffer, with a capped lead; a mark behind every piece tells what has been
// heard. Pure: time is an argument. One thread.
//
// A mark's echo proves playback only if no clear was sent before it, because a clear makes the
// carrier echo all pending marks. Marks therefore carry the utterance ("g<generation>.<sequence>"),
// and echoes of utterances that have been cleared are told apart as stale.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/audio/format.hpp"
#include "core/base/deadline.hpp"
#include "core/media/event.hpp"

namespace call::media {

struct PlayoutOptions {
  std::chrono::milliseconds lead{1500};  ///< never more than this ahead of the callee's ear
  std::chrono::milliseconds piece{200};  ///< audio of one message, and the distance of two marks
  std::chrono::milliseconds max_queued{120000};  ///< audio that waits to be sent; more is not taken
  std::chrono::milliseconds mark_patience{
      3000};  ///< an echo this late is not waited for any longer
  /// Marks and media share one connection, so an echo is late by the network only; this much is allowed
  /// before silence at the carrier is believed.
  std::chrono::milliseconds audible_grace{250};
};

class Playout {
 public:
  using Time = MonoClock::time_point;

  /// One piece for the carrier: audio (may be empty), then a mark.
  struct Piece {
    Generation generation = 0;
    audio::Mulaw audio;
    std::string mark;
    bool first = false;     ///< the utterance's first audio
    bool underrun = false;  ///< the carrier had run dry in the middle of the utterance
  };
  /// What is now known to have been heard, in order.
  struct Confirmed {
    Generation generation = 0;
    audio::Mulaw audio;
    std::int64_t heard_ms = 0;  ///< of the utterance, this piece included
    bool first = false;
    bool complete = false;
  };
  struct Cleared {
    bool anything = false;         ///< there was something to clear at the carrier
    Generation generation = 0;     ///< the utterance that was being heard; 0: none
    std::int64_t heard_ms = 0;     ///< of that utterance
    Generation last_cut_off = 0;   ///< the newest utterance that is over now
    std::vector<Confirmed> heard;  ///< audio heard since the last mark, by the clock
  };
  enum class Echo { confirmed, stale, unknown };

  explicit Playout(const PlayoutOptions& options = {}) : options_(options) {}

  /// Generations must grow; one that does not is ignored.
  void begin(Generation generation, bool interruptible);
  enum class Add {
    taken,
    cut_off,   ///< the utterance is over
    overflow,  ///< too much is queued
  };
  Add add(Generation generation, audio::MulawView mulaw);
  void end(Generation generation);

  /// Appends to `out` what should go to the carrier now.
  void top_up(Time now, std::vector<Piece>& out);
  /// A mark came back. Appends what it confirms to `out`.
  Echo on_mark(std::string_view name, Time now, std::vector<Confirmed>& out);
  /// Gives up on marks that never came back; what they stood for counts as heard. Returns how many.
  std::size_t expire_marks(Time now, std::vector<Confirmed>& out);
  /// Forgets everything that is playing or queued. The caller sends the clear message.
  Cleared clear(Time now);

  /// The callee hears the agent now, by marks and by the clock.
  bool audible(Time now) const;
  /// What is being heard may be cut off by the callee's voice.
  bool interruptible() const;
  /// Nothing plays, nothing is queued, no mark is awaited.
  bool idle() const { return utterances_.empty() && in_flight_.empty(); }

 private:
  struct Utterance {
    Generation generation = 0;
    bool interruptible = true;
    bool ended = false;
    bool last_mark_sent = false;
    std::uint32_t next_mark = 0;
    std::size_t taken = 0;  ///< samples of `audio` that were sent
    audio::Mulaw audio;
    std::size_t heard = 0;
    std::size_t waiting() const { return audio.size() - taken; }
  };
  struct InFlight {
    Generation generation = 0;
    std::string mark;
    audio::Mulaw audio;
    bool last = false;
  };

  Utterance* find(Generation generation);
  std::size_t next_piece_samples(const Utterance& utterance, Time now) const;
  Piece take_piece(Utterance& utterance, std::size_t samples, Time now);
  Confirmed confirm_front();
  std::size_t samples_in_flight() const;

  PlayoutOptions options_;
  std::deque<Utterance>
      utterances_;  ///< in order of playing; the front may be in flight as a whole
  std::deque<InFlight> in_flight_;
  Generation newest_ = 0;   ///< begun
  Generation cleared_ = 0;  ///< this one and all before are over
  std::size_t queued_samples_ = 0;
  Time play_end_{};  ///< when the carrier runs dry, by the clock and corrected by marks
};

}  // namespace call::media
