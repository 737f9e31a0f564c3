// Media streams on the wire: JSON text messages both ways. Pure functions: no socket, no clock, any
// thread. Twilio's protocol ("Media Streams - WebSocket Messages") has become what others imitate,
// so what differs between carriers is a dialect: the names of members, and little else. Numbers
// such as sequenceNumber, chunk and timestamp are decimal strings there; this reader takes JSON
// numbers as well. Members and events that it does not know are no error, because carriers add new
// ones at any time.
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

enum class Dialect {
  twilio,  ///< camelCase: streamSid, callSid, customParameters
  telnyx,  ///< snake_case: stream_id, call_control_id, custom_parameters; also in TeXML streams
};
std::optional<Dialect> parse_dialect(std::string_view name);

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

/// Allowed, and of no use to us.
struct Ignored {
  enum class Why { unknown_event, other_track, carrier_error };
  Why why = Why::unknown_event;
  std::string what;  ///< for the log; empty for other_track, which comes fifty times a second
};

using Message =
    std::variant<Connected, StartInfo, MediaFrame, DigitKey, MarkEcho, StopInfo, Ignored>;

/// One text message of the carrier. Errc::protocol with the reason for anything that the protocol
/// does not allow, Errc::limit above a limit. `stream_sid`: of the start message, once it is known;
/// a message of another stream is refused.
Result<Message> parse_message(std::string_view text, Dialect dialect = Dialect::twilio,
                              std::string_view stream_sid = {});

/// The three messages that a server may send. Audio of any length is allowed; the carrier plays it
/// in order.
class MessageWriter {
 public:
  MessageWriter() = default;
  MessageWriter(Dialect dialect, std::string_view stream_sid);

  std::string media(audio::MulawView mulaw) const;
  std::string mark(std::string_view name) const;
  std::string clear() const;

 private:
  std::string stream_;  ///< the member that names the stream, with its comma; may be empty
};

}  // namespace call::media
