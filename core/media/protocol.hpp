// Twilio Media Streams on the wire: JSON text messages both ways. Pure functions: no socket, no
// clock, any thread. Source: Twilio's "Media Streams - WebSocket Messages" pages. Numbers such as
// sequenceNumber, chunk and timestamp are decimal strings there; this reader takes JSON numbers as
// well, and ignores members that it does not know, because new ones may be added at any time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/audio/format.hpp"
#include "core/base/result.hpp"

namespace call::media {

inline constexpr std::size_t kMaxMessageBytes =
    64U << 10;  ///< received; audio comes in messages of 400 bytes
inline constexpr std::size_t kMaxPayloadSamples = 8000;  ///< of one media message: one second
inline constexpr std::size_t kMaxParameters = 100;       ///< of one start message; Twilio allows 99

struct Connected {
  std::string protocol;  ///< "Call"
  std::string version;
};

/// What the carrier says of a stream, once, before its audio.
struct StartInfo {
  std::string stream_sid;
  std::string call_sid;
  std::string account_sid;
  std::map<std::string, std::string> parameters;  ///< <Parameter> elements of the TwiML

  /// A parameter's value, or "".
  std::string_view parameter(std::string_view name) const;
};

struct MediaFrame {
  /// Of the first sample, from the stream's start. Twilio always sends it; without one the audio is
  /// taken to follow what came before.
  std::optional<std::int64_t> timestamp_ms;
  std::string mulaw;  ///< 8 kHz, one byte a sample; never empty
};

struct DigitKey {
  char digit = 0;  ///< 0-9 * # A-D
};
struct MarkEcho {
  std::string name;
};
struct StopInfo {};

using Message = std::variant<Connected, StartInfo, MediaFrame, DigitKey, MarkEcho, StopInfo>;

/// One text message of the carrier. Errc::protocol with the reason for anything that the protocol
/// does not allow, Errc::limit above a limit. Media of the outbound track is refused: this server
/// never asks for it.
Result<Message> parse_message(std::string_view text);

/// The three messages that a server may send. Audio of any length is allowed; Twilio plays it in
/// order.
std::string media_message(std::string_view stream_sid, audio::MulawView mulaw);
std::string mark_message(std::string_view stream_sid, std::string_view name);
std::string clear_message(std::string_view stream_sid);

}  // namespace call::media
