// The services of an open conversation, played: chat completions, speech, transcription, Deepgram,
// vosk-server, ElevenLabs, OpenAI Realtime, and a tool, all on one port and on the real wire. What
// they say is scripted; faults are those of wire.hpp.
//
// The voices speak kMsPerChar for each byte of text, so that what was heard can be told from its
// length.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/fakes/wire.hpp"

namespace call::fakes {

inline constexpr int kMsPerChar = 40;

struct ChatAnswer {
  std::vector<std::string> pieces;
  struct Call {
    std::string id, name;
    std::vector<std::string> arguments;  ///< fragments
  };
  std::vector<Call> calls;
  std::string raw;  ///< instead of all this
  std::string raw_type = "text/event-stream";
  std::string error;   ///< an error object behind the pieces
  int status = 200;    ///< another one: refused, with `raw` as body
  std::string fields;  ///< header fields, e.g. "Retry-After: 1\r\n"
  bool hangs = false;  ///< says nothing more behind the pieces, and stays open
};

struct Timing {
  milliseconds transcript{0};   ///< from Finalize to the final
  milliseconds chat_first{0};   ///< to the first piece
  milliseconds chat_piece{0};   ///< between pieces
  milliseconds voice_first{0};  ///< from text to audio
  milliseconds voice_chunk{0};  ///< between chunks of 200 ms of audio
};

/// A conversation of OpenAI Realtime on the server's side, kept by the test through these hooks.
/// Without them every answer is "Hello." with its audio.
struct Realtime {
  std::function<void(Connection&)> on_open;
  std::function<void(Connection&, const std::string& message)> on_message;
};

class Providers {
 public:
  explicit Providers(std::uint16_t port = 0);

  std::uint16_t port() const { return server_.port(); }
  std::string http() const { return "http://127.0.0.1:" + std::to_string(port()); }
  std::string ws() const { return "ws://127.0.0.1:" + std::to_string(port()); }
  Server& server() { return server_; }

  /// All thread-safe. Answers are used in order; behind the last one `chat_default` speaks.
  void answer(ChatAnswer answer);
  void hear(std::string transcript);
  void set_timing(const Timing& timing);
  void set_realtime(Realtime realtime);
  void set_tool(std::function<ChatAnswer(const Request&)> tool);
  /// The next `count` requests and upgrades are refused.
  void refuse(int status, int count, std::string fields = {});
  std::vector<Request> requests() const;      ///< of HTTP, in order
  std::vector<std::string> messages() const;  ///< texts over WebSockets, in order
  std::size_t audio_bytes() const;            ///< over WebSockets
  std::string audio() const;
  /// Every step of a turn, on the server's thread: ("chat_request", body), ...
  using Watch = std::function<void(std::string_view what, std::string_view text)>;
  Watch watch;
  std::function<ChatAnswer(const std::string& body)> chat_default;
  std::function<std::string(int connection, int utterance)> hear_default;
  /// May write into the first audio of a text (ElevenLabs), to know it again further on.
  std::function<void(std::string& audio, const std::string& text)> stamp;
  bool keep_log = true;
  bool closes_politely =
      false;  ///< a recogniser closes with 1000 behind each final; set before use
  /// Deepgram leaves the next so many Finalizes unanswered, as it may when little was left to say.
  std::atomic<int> unanswered_finalizes{0};
  /// Every answer begins and then ends in an error, said in the way of its wire.
  std::atomic<bool> breaks_midway{false};

 private:
  friend class DeepgramSocket;
  friend class VoskSocket;
  friend class ElevenSocket;
  friend class RealtimeSocket;

  void route(Connection& connection, const Request& request);
  void chat(Connection& connection, const Request& request);
  void speech(Connection& connection, const Request& request);
  void transcription(Connection& connection);
  std::string next_transcript(int connection, int utterance);
  void note_text(const std::string& text);
  void note_audio(const std::string& bytes);
  void tell(std::string_view what, std::string_view text) const {
    if (watch) watch(what, text);
  }
  Timing timing() const;

  mutable std::mutex mutex_;
  std::deque<ChatAnswer> answers_;
  std::deque<std::string> transcripts_;
  Timing timing_;
  Realtime realtime_;
  std::function<ChatAnswer(const Request&)> tool_;
  int refuse_status_ = 0;
  int refuse_count_ = 0;
  std::string refuse_fields_;
  std::vector<Request> requests_;
  std::vector<std::string> messages_;
  std::string audio_;
  int sockets_ = 0;
  Server server_;
};

/// The mu-law audio of a text: so many bytes, all of the same loud value.
std::string mulaw_of(std::string_view text);

}  // namespace call::fakes
