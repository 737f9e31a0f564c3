// Twilio Media Streams, the carrier's side: the messages it sends, and the three it understands.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "core/audio/format.hpp"
#include "core/base/result.hpp"
#include "core/carrier/twiml.hpp"

namespace call::sim {

/// Who and what a stream is: repeated in its messages.
struct StreamIdentity {
  std::string account_sid;
  std::string call_sid;
  std::string stream_sid;
};

/// Builds messages, numbering them: `sequenceNumber` counts all after "connected", `chunk` the
/// media alone.
class StreamWriter {
 public:
  explicit StreamWriter(StreamIdentity identity) : identity_(std::move(identity)) {}

  static std::string connected();
  std::string start(const carrier::twiml::Stream& stream);
  /// `timestamp`: since the stream's start. The view is good until the next call.
  std::string_view media(std::chrono::milliseconds timestamp, const audio::MulawFrame& frame);
  std::string mark(std::string_view name);
  std::string dtmf(char digit);
  std::string stop();

 private:
  std::string next_sequence() { return std::to_string(++sequence_); }

  StreamIdentity identity_;
  std::uint64_t sequence_ = 0;
  std::uint64_t chunk_ = 0;
  std::string buffer_;
};

struct MediaCommand {
  std::string mulaw;
};
struct MarkCommand {
  std::string name;
};
struct ClearCommand {};
using StreamCommand = std::variant<MediaCommand, MarkCommand, ClearCommand>;

/// Anything but exactly the fields that Twilio documents is an error (its warning 31951).
Result<StreamCommand> parse_command(std::string_view message, std::string_view stream_sid);

}  // namespace call::sim
