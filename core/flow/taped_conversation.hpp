// The handler's track of a call's tape. A conversation is a machine of its own: what it sees of the
// world comes through its port (clock, interruptions) and through its ears and voice, or, of an open
// one, as the news of its engines. Taps on these write down every answer, in order, so that
// replay.hpp can give the same answers to the same conversation again. The handler's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/flow/conversation.hpp"
#include "core/flow/noted_engines.hpp"
#include "core/media/assembly.hpp"
#include "core/media/call_link.hpp"
#include "core/record/tape.hpp"

namespace call::flow {

/// The kinds of items on the handler's track.
namespace handler_tape {
inline constexpr char kAgent = 'A';       ///< the agent's TOML; the first item
inline constexpr char kEvent = 'E';       ///< media::describe() of an event that was taken
inline constexpr char kDue = 'U';         ///< something was due
inline constexpr char kClock = 'k';       ///< the clock was read: a number
inline constexpr char kCurrent = 'i';     ///< "not interrupted?" was asked: 0 or 1
inline constexpr char kTranscript = 'f';  ///< the ears finished: JSON
inline constexpr char kSpeak = 's';       ///< a text to be spoken
inline constexpr char kAudio = 'p';       ///< a piece of it, 16-bit samples
inline constexpr char kSpoken = 'r';      ///< the voice is done: 0, or the error's code and text
inline constexpr char kDecided = '>';     ///< a command, media::describe()
inline constexpr char kCanConnect = 'c';  ///< of an open conversation, behind kAgent: 0 or 1
inline constexpr char kNews = 'n';        ///< an engine told something: encode_news()
inline constexpr char kAsked = '?';       ///< a line for what an engine was asked
inline constexpr char kConnected = 't';   ///< a transfer was asked for; as kSpoken
inline constexpr char kReport = 'R';      ///< JSON of the turns, waterfalls, answers and outcome
}  // namespace handler_tape

class HandlerTape {
 public:
  explicit HandlerTape(media::CallLink::TapeSink sink) : sink_(std::move(sink)) {}

  /// Somebody still takes it.
  bool running() const { return static_cast<bool>(sink_); }
  void begin(std::string_view agent_toml);
  Port tap(Port port);
  /// Writes down what the engines are asked.
  Note note();
  Connect tap(Connect connect);
  void news(const speech::EngineEvent& news);
  std::unique_ptr<Ears> tap(std::unique_ptr<Ears> ears);
  Speak tap(Speak speak);
  void event(const media::Event& event);
  void due();
  /// The last item; everything goes to the sink.
  void end(const media::HandlerReport& report);

  void put(char kind, std::string_view bytes = {});
  void put_number(char kind, std::int64_t number);

 private:
  void flush(std::size_t least);

  media::CallLink::TapeSink sink_;  ///< empty: it has had enough
  record::TapeWriter writer_;
};

/// What a report decides about the record, as JSON text.
std::string report_text(const media::HandlerReport& report);
/// A Status as it stands on the tape.
std::string status_bytes(const Status& status);
Status status_from(std::string_view bytes);
std::string transcript_json(const speech::Transcript& transcript);
Result<speech::Transcript> transcript_from(std::string_view json);

}  // namespace call::flow
