// What travels between a call's session (on its loop) and its handler (on a thread of its own).
// Plain data. Every "_ms" is a point on the call's sample clock unless it says otherwise: 0 = the
// first inbound sample.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

#include "core/audio/format.hpp"

namespace call::media {

/// One utterance of the agent. Numbers grow within a call, so that an echo of something that has
/// been cut off is never taken for an echo of what came after it. 0 is never used.
using Generation = std::uint32_t;

// ---- from the session to the handler

/// The callee began to speak (a cough too). Audio follows, beginning with the pre-roll.
struct SpeechBegan {
  std::int64_t at_ms = 0;
  std::int64_t audio_from_ms = 0;  ///< of the pre-roll's first sample
};
struct SpeechAudio {
  audio::Pcm pcm;
};
/// Silence of TurnOptions::pause after speech: perhaps the end of the turn. SpeechAudio follows if
/// and only if the callee goes on, else TurnEnded; the handler may also end the turn now with a
/// FinishTurn.
struct SpeechPaused {
  std::int64_t speech_end_ms = 0;  ///< the last voiced sample
  std::int64_t at_ms = 0;
};
struct TurnEnded {
  std::int64_t start_ms = 0;
  std::int64_t speech_end_ms = 0;  ///< the last voiced sample
  std::int64_t endpoint_ms = 0;    ///< when the turn was declared over
  bool overlapped = false;         ///< all of it was said over the agent's voice, which went on
};
/// The callee interrupted: the carrier's buffer has been cleared, all that the agent had begun is
/// over.
struct BargedIn {
  Generation generation = 0;    ///< what was being heard
  std::int64_t heard_ms = 0;    ///< of that utterance; a length, not a point in time
  Generation last_cut_off = 0;  ///< this utterance and all before it are over
  std::int64_t at_ms = 0;
};
/// The first audio of an utterance went to the carrier.
struct FirstAudioSent {
  Generation generation = 0;
  std::int64_t at_ms = 0;
};
/// Playback truth, by the carrier's marks: told when the first part was heard, when the last one
/// was, and, if the call ends in between, how far it came.
struct Heard {
  Generation generation = 0;
  std::int64_t heard_ms = 0;  ///< length heard so far
  std::int64_t at_ms =
      0;  ///< when that was; the utterance began at_ms - heard_ms, if it was not underrun
  bool complete = false;
};
/// A machine has answered, see core/media/voicemail.hpp.
struct MachineHeard {
  bool beep = false;  ///< the recording begins now; else a greeting that goes on and on
  std::int64_t at_ms = 0;
};
struct DigitPressed {
  char digit = 0;
  std::int64_t at_ms = 0;
};
/// The last event of every call.
struct CallEnded {
  std::string
      reason;  ///< "caller_hung_up", "completed", "peer_lost", "max_duration", "shutdown", ...
  std::int64_t at_ms = 0;
};

using Event = std::variant<SpeechBegan, SpeechAudio, SpeechPaused, TurnEnded, BargedIn,
                           FirstAudioSent, Heard, MachineHeard, DigitPressed, CallEnded>;

// ---- from the handler to the session

/// Opens an utterance; those before it are complete as they are and play out first.
struct BeginSpeech {
  Generation generation = 0;
  bool interruptible = true;  ///< the callee's voice cuts it off
};
struct AddSpeech {
  Generation generation = 0;
  audio::Mulaw mulaw;
};
/// No more audio follows for it; Heard{complete} comes when the callee has heard all.
struct EndSpeech {
  Generation generation = 0;
};
/// Cuts off everything that is playing or queued.
struct CancelSpeech {};
/// The turn is over although the callee's silence is still short.
struct FinishTurn {};
/// How much silence ends a turn from now on.
struct SetEndpointing {
  std::chrono::milliseconds end_after{700};
};
/// Ends the call at once: whoever wants the last words heard waits for Heard first.
struct HangUp {
  std::string reason = "completed";
};

/// The carrier is being told to take the call elsewhere: if it ends the stream now, that is why.
struct StreamEndMeans {
  std::string reason = "caller_hung_up";
};

using Command = std::variant<BeginSpeech, AddSpeech, EndSpeech, CancelSpeech, FinishTurn,
                             SetEndpointing, HangUp, StreamEndMeans>;

}  // namespace call::media
