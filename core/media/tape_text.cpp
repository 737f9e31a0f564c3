#include "core/media/tape_text.hpp"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "core/json/json.hpp"
#include "core/record/tape.hpp"

namespace call::media {
namespace {

using std::chrono::milliseconds;

std::string_view bytes_of(audio::MulawView mulaw) {
  return {reinterpret_cast<const char*>(mulaw.data()), mulaw.size()};
}

std::string_view bytes_of(audio::PcmView pcm) {
  return {reinterpret_cast<const char*>(pcm.data()), pcm.size_bytes()};
}

std::string audio_text(std::string_view bytes) {
  return fmt::format("{} bytes {:016x}", bytes.size(), fingerprint(bytes));
}

struct EventText {
  std::string operator()(const SpeechBegan& e) const {
    return fmt::format("speech began at {}, audio from {}", e.at_ms, e.audio_from_ms);
  }
  std::string operator()(const SpeechAudio& e) const {
    return "speech audio " + audio_text(bytes_of(audio::PcmView(e.pcm)));
  }
  std::string operator()(const SpeechPaused& e) const {
    return fmt::format("speech paused at {}, last sound {}", e.at_ms, e.speech_end_ms);
  }
  std::string operator()(const TurnEnded& e) const {
    return fmt::format("turn {}..{} ended at {}{}", e.start_ms, e.speech_end_ms, e.endpoint_ms,
                       e.overlapped ? ", over the agent" : "");
  }
  std::string operator()(const BargedIn& e) const {
    return fmt::format("barged in at {} on g{} after {} ms, cut off up to g{}", e.at_ms,
                       e.generation, e.heard_ms, e.last_cut_off);
  }
  std::string operator()(const FirstAudioSent& e) const {
    return fmt::format("first audio of g{} sent at {}", e.generation, e.at_ms);
  }
  std::string operator()(const Heard& e) const {
    return fmt::format("heard {} ms of g{} by {}{}", e.heard_ms, e.generation, e.at_ms,
                       e.complete ? ", complete" : "");
  }
  std::string operator()(const MachineHeard& e) const {
    return fmt::format("machine at {}: {}", e.at_ms, e.beep ? "beep" : "long greeting");
  }
  std::string operator()(const DigitPressed& e) const {
    return fmt::format("digit {} at {}", e.digit, e.at_ms);
  }
  std::string operator()(const CallEnded& e) const {
    return fmt::format("call ended at {}: {}", e.at_ms, e.reason);
  }
};

struct CommandText {
  std::string operator()(const BeginSpeech& c) const {
    return fmt::format("begin g{}{}", c.generation, c.interruptible ? "" : ", not interruptible");
  }
  std::string operator()(const AddSpeech& c) const {
    return fmt::format("add to g{}: {}", c.generation,
                       audio_text(bytes_of(audio::MulawView(c.mulaw))));
  }
  std::string operator()(const EndSpeech& c) const { return fmt::format("end g{}", c.generation); }
  std::string operator()(const CancelSpeech&) const { return "cancel speech"; }
  std::string operator()(const FinishTurn&) const { return "finish turn"; }
  std::string operator()(const SetEndpointing& c) const {
    return fmt::format("end turns after {} ms", c.end_after.count());
  }
  std::string operator()(const HangUp& c) const { return "hang up: " + c.reason; }
  std::string operator()(const StreamEndMeans& c) const {
    return "the stream's end means " + c.reason;
  }
};

/// The first byte of an encoded command is its place in the variant.
struct CommandBytes {
  std::string& out;
  void operator()(const BeginSpeech& c) const {
    record::append_number(out, c.generation);
    record::append_number(out, c.interruptible ? 1 : 0);
  }
  void operator()(const AddSpeech& c) const {
    record::append_number(out, c.generation);
    out += bytes_of(audio::MulawView(c.mulaw));
  }
  void operator()(const EndSpeech& c) const { record::append_number(out, c.generation); }
  void operator()(const CancelSpeech&) const {}
  void operator()(const FinishTurn&) const {}
  void operator()(const SetEndpointing& c) const {
    record::append_number(out, c.end_after.count());
  }
  void operator()(const HangUp& c) const { out += c.reason; }
  void operator()(const StreamEndMeans& c) const { out += c.reason; }
};

/// No time of a call is longer; what is comes of damage, and the clock cannot be reckoned with it.
bool is_a_span(std::int64_t ms) {
  return ms >= 0 && milliseconds(ms) <= std::chrono::days(30);
}

/// The opposite: fills what is there and takes it off `in`; false when something is missing.
struct CommandReader {
  std::string_view& in;
  template <class T>
  bool number(T& out) const {
    const auto value = record::take_number(in);
    if (value) out = static_cast<T>(*value);
    return value.has_value();
  }
  bool operator()(BeginSpeech& c) const { return number(c.generation) && number(c.interruptible); }
  bool operator()(AddSpeech& c) const {
    if (!number(c.generation)) return false;
    c.mulaw.assign(in.begin(), in.end());
    in = {};
    return true;
  }
  bool operator()(EndSpeech& c) const { return number(c.generation); }
  bool operator()(CancelSpeech&) const { return true; }
  bool operator()(FinishTurn&) const { return true; }
  bool operator()(SetEndpointing& c) const {
    std::int64_t ms = 0;
    if (!number(ms) || !is_a_span(ms)) return false;
    c.end_after = milliseconds(ms);
    return true;
  }
  bool operator()(HangUp& c) const {
    c.reason = std::exchange(in, {});
    return true;
  }
  bool operator()(StreamEndMeans& c) const {
    c.reason = std::exchange(in, {});
    return true;
  }
};

template <std::size_t I = 0>
bool read_alternative(std::size_t index, std::string_view& in, Command& out) {
  if constexpr (I < std::variant_size_v<Command>) {
    if (index != I) return read_alternative<I + 1>(index, in, out);
    std::variant_alternative_t<I, Command> command;
    if (!CommandReader{in}(command)) return false;
    out = std::move(command);
    return true;
  } else {
    return false;
  }
}

/// False when an option of this type cannot be so.
template <class T>
bool take_option(const Json& json, T& value) {
  if constexpr (std::is_floating_point_v<T>) {
    // JSON has numbers that a float has not, and turns them into infinity.
    if (!json.is_number() || std::abs(json.get<double>()) > std::numeric_limits<T>::max())
      return false;
    value = json.get<T>();
  } else if constexpr (std::is_same_v<T, std::size_t>) {
    if (!json.is_number_unsigned()) return false;
    value = json.get<T>();
  } else {
    if (!json.is_number_unsigned() || !is_a_span(json.get<std::int64_t>())) return false;
    const auto number = json.get<std::int64_t>();
    if constexpr (std::is_same_v<T, milliseconds>) {
      value = milliseconds(number);
    } else {
      if (number > 1) return false;  // booleans, and choices of two
      value = static_cast<T>(number);
    }
  }
  return true;
}

/// Every option by name, once, for writing and for reading.
template <class Options, class F>
void each_option(Options& o, F f) {
  f("start_warning", o.start_warning);
  f("start_timeout", o.start_timeout);
  f("peer_timeout", o.peer_timeout);
  f("max_refused_messages", o.max_refused_messages);
  f("max_messages_per_s", o.max_messages_per_s);
  f("max_message_burst", o.max_message_burst);
  f("max_audio_ahead", o.max_audio_ahead);
  f("dialect", o.dialect);
  auto& tuning = o.tuning;
  f("max_duration", tuning.max_duration);
  f("vad", tuning.vad);
  f("lead", tuning.playout.lead);
  f("piece", tuning.playout.piece);
  f("max_queued", tuning.playout.max_queued);
  f("mark_patience", tuning.playout.mark_patience);
  f("audible_grace", tuning.playout.audible_grace);
  f("start_threshold", tuning.turn.endpointer.start_threshold);
  f("stop_threshold", tuning.turn.endpointer.stop_threshold);
  f("start_after", tuning.turn.endpointer.start_after);
  f("start_gap", tuning.turn.endpointer.start_gap);
  f("end_after", tuning.turn.endpointer.end_after);
  f("max_utterance", tuning.turn.endpointer.max_utterance);
  f("pause", tuning.turn.pause);
  f("barge_in", tuning.turn.barge_in);
  f("voice_gap", tuning.turn.voice_gap);
  f("echo_guard", tuning.turn.echo_guard);
  f("pre_roll", tuning.turn.pre_roll);
  f("audio_event", tuning.turn.audio_event);
  f("voicemail", tuning.voicemail.enabled);
  f("voicemail_window", tuning.voicemail.window);
  f("long_greeting", tuning.voicemail.long_greeting);
  f("greeting_pause", tuning.voicemail.greeting_pause);
  f("beep", tuning.voicemail.beep);
}
// A new option that is not in the list above would be lost on the way to a replay.
static_assert(sizeof(SessionOptions) == 31 * 8, "name the new option in each_option()");

}  // namespace

std::uint64_t fingerprint(std::string_view bytes) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : bytes) {
    hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  }
  return hash;
}

std::string describe(const Event& event) {
  return std::visit(EventText{}, event);
}

std::string describe(const Command& command) {
  return std::visit(CommandText{}, command);
}

std::string describe(const RecordedBlock& block) {
  return fmt::format("recorded from {}: callee {}, agent {}", block.position,
                     audio_text(bytes_of(audio::MulawView(block.callee))),
                     audio_text(bytes_of(audio::MulawView(block.agent))));
}

std::string describe_message(std::string_view message) {
  constexpr std::size_t kShort = 120;
  if (message.size() <= kShort) return "sent " + std::string(message);
  return "sent " + audio_text(message);
}

std::string encode_command(const Command& command) {
  std::string out(1, static_cast<char>(command.index()));
  std::visit(CommandBytes{out}, command);
  return out;
}

Result<Command> decode_command(std::string_view bytes) {
  Command command;
  const auto index = bytes.empty() ? 255U : static_cast<std::uint8_t>(bytes.front());
  if (!bytes.empty()) bytes.remove_prefix(1);
  if (read_alternative(index, bytes, command) && bytes.empty()) return command;
  return Error{Errc::protocol, fmt::format("the tape holds a command of unknown kind {}", index)};
}

std::string options_text(const SessionOptions& options) {
  Json json = Json::object();
  each_option(options, [&](const char* name, const auto& value) {
    using T = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<T, milliseconds>) {
      json[name] = value.count();
    } else if constexpr (std::is_same_v<T, bool> || std::is_enum_v<T>) {
      json[name] = static_cast<int>(value);
    } else {
      json[name] = value;
    }
  });
  return json::dump(json);
}

Result<SessionOptions> options_from_text(std::string_view text) {
  CALL_TRY(const Json json, json::parse(text, {}, "the tape's options"));
  if (!json.is_object()) return Error{Errc::protocol, "the tape's options are none"};
  SessionOptions options;
  const char* wrong = nullptr;
  each_option(options, [&](const char* name, auto& value) {
    const auto found = json.find(name);
    if (found != json.end() && !take_option(*found, value)) wrong = name;
  });
  if (wrong != nullptr)
    return Error{Errc::protocol, fmt::format("the tape's option {} has no such value", wrong)};
  return options;
}

}  // namespace call::media
