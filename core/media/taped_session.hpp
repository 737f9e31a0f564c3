// A session whose inputs and decisions go onto a tape, so that replay.hpp can run the same session
// again. Without a tape it is the session and nothing else. On the loop, as the session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/media/session.hpp"
#include "core/record/tape.hpp"

namespace call::media {

/// The kinds of items on the session's track. Inputs are capitals; what follows an input up to the
/// next one belongs to it.
namespace session_tape {
inline constexpr char kOptions = 'O';  ///< JSON; the first item
inline constexpr char kMessage = 'M';  ///< as received
inline constexpr char kTick = 'T';
inline constexpr char kCommand = 'C';  ///< encode_command()
inline constexpr char kAccept = 'A';   ///< one byte, the mode, then the options as JSON
inline constexpr char kEnd = 'E';      ///< the reason
inline constexpr char kVoice = 'v';    ///< the voice detector's answer, 4 bytes of a float
inline constexpr char kDecided = '>';  ///< one decision, describe()
}  // namespace session_tape

class TapedSession {
 public:
  using Time = Session::Time;
  using Output = Session::Output;

  TapedSession(const SessionOptions& options, Time now, bool taped);
  ~TapedSession();
  TapedSession(const TapedSession&) = delete;
  TapedSession& operator=(const TapedSession&) = delete;

  void on_message(std::string_view text, Time now, Output& out);
  void on_tick(Time now, Output& out);
  void on_command(Command command, Time now, Output& out);
  void accept(Session::Mode mode, std::unique_ptr<speech::Vad> vad, const CallTuning& tuning,
              Time now);
  void end(std::string_view reason, Time now, Output& out);

  const Session& session() const { return session_; }
  record::Counters& counters() { return session_.counters(); }

  /// The tape so far is forgotten, and nothing more is taped.
  void stop_tape() { tape_.reset(); }
  bool taped() const { return tape_ != nullptr; }
  /// What was taped since the last time, if it is `least` bytes or more.
  std::string take_tape(std::size_t least);

 private:
  class VoiceTap;
  struct Tape {
    record::TapeWriter writer;
    Time opened;
    Time now;
    std::size_t messages = 0, events = 0, recorded = 0;  ///< in the output before the input came
  };

  void note(char kind, std::string_view bytes, Time now, const Output& out);
  void note_decisions(const Output& out);
  void put(char kind, std::string_view bytes);

  SessionOptions options_;
  Session session_;
  std::unique_ptr<Tape> tape_;
};

}  // namespace call::media
