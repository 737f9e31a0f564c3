// What is kept of one call: written by the media server into its spool, read by the filing job and
// by callctl. Plain data and pure functions: no thread, no file. Every "_ms" inside a call counts
// milliseconds of the call's sample clock: the inbound media timestamps, 0 = the first sample of
// the stream. Wall-clock times are UTC.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"

namespace call::record {

/// The "version" of record.json. A reader accepts this one and older ones; a newer one is
/// Errc::protocol.
inline constexpr int kVersion = 1;

enum class Speaker { agent, callee };

/// A recognised word and when it was said.
struct Word {
  std::string text;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
};

/// A piece of one track.
struct Span {
  Speaker track = Speaker::callee;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  bool operator==(const Span&) const = default;
};

/// One contribution to the conversation, in the order in which it was heard.
struct Turn {
  Speaker who = Speaker::agent;
  std::string text;         ///< what was said; the agent's text in full, also when it was cut short
  std::string heard_text;   ///< agent: the part that the callee heard; empty when nothing of it was
  double confidence = 1.0;  ///< callee: the recogniser's, 0 to 1
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  std::int64_t heard_ms = 0;  ///< agent: audio that the callee heard of it, by the carrier's marks
  bool interrupted = false;   ///< agent: cut short by the callee
  bool digits = false;        ///< callee: keyed in, not spoken
  std::string state;          ///< the dialogue state that it belongs to
  std::string intent;         ///< callee: what the agent understood; empty when nothing
  std::vector<Word> words;    ///< callee: with times, where the recogniser gives them
};

/// Where the time went between the callee's last word and the agent's first, as points on the
/// sample clock. A stage that did not happen is empty.
struct Waterfall {
  std::uint32_t turn = 0;                     ///< index of the callee's turn in CallRecord::turns
  std::optional<std::int64_t> speech_end_ms;  ///< the callee's last voiced sample
  std::optional<std::int64_t> endpoint_ms;    ///< the silence was long enough: the turn is over
  std::optional<std::int64_t> final_transcript_ms;  ///< the recogniser's last word on it
  std::optional<std::int64_t> first_token_ms;       ///< a language model's first word came
  std::optional<std::int64_t> reply_ready_ms;       ///< the agent knows what to say
  std::optional<std::int64_t>
      first_audio_sent_ms;                     ///< the first byte of the reply went to the carrier
  std::optional<std::int64_t> first_heard_ms;  ///< the callee hears it, by the carrier's marks
};

/// Upper bounds in milliseconds of the lateness buckets; the last bucket counts everything above.
inline constexpr std::array<std::int64_t, 7> kLatenessBoundsMs = {1, 2, 5, 10, 20, 40, 100};

struct Counters {
  std::uint64_t frames_in = 0;   ///< media messages from the carrier
  std::uint64_t frames_out = 0;  ///< 20 ms units of audio sent to the carrier
  std::uint64_t messages_in = 0;
  std::uint64_t messages_out = 0;
  std::uint64_t messages_refused = 0;  ///< messages that broke the protocol
  std::uint64_t marks_sent = 0;
  std::uint64_t marks_heard = 0;
  std::uint64_t marks_stale = 0;  ///< echoes of a generation that had been cleared
  std::uint64_t clears = 0;
  std::uint64_t barge_ins = 0;
  std::uint64_t false_barge_ins = 0;  ///< nothing was said after all: the agent resumed
  std::uint64_t underruns = 0;        ///< the carrier ran dry while the agent was still speaking
  std::uint64_t inbound_gap_ms = 0;   ///< inbound audio that never came, filled with silence
  std::map<std::string, std::uint64_t> drops;  ///< by reason, in frames or messages
  /// How late the sender's ticks ran, see kLatenessBoundsMs.
  std::array<std::uint64_t, kLatenessBoundsMs.size() + 1> lateness{};
};

/// What became of the audio on its way to the disk.
struct Recording {
  std::uint64_t samples = 0;  ///< in audio.wav, a track; 8 are a millisecond of the sample clock
  std::uint64_t lost_samples = 0;  ///< of these silence, because the disk was full or too slow
  std::vector<Span> masked;        ///< made silent by redaction
  std::string removed;             ///< why there is no audio; empty: there is
};

struct CallRecord {
  std::string call_sid;
  std::string stream_sid;
  std::string tenant;   ///< name; empty when the call was not placed by a list
  std::string list;     ///< id as text
  std::string entry;    ///< id as text
  std::string attempt;  ///< uuid
  std::string agent;
  std::string from;  ///< empty when the carrier did not say
  std::string to;
  std::optional<WallTime> started_at;   ///< the WebSocket was accepted
  std::optional<WallTime> answered_at;  ///< the carrier's start message
  std::optional<WallTime> ended_at;
  std::string
      end_reason;  ///< "completed", "caller_hung_up", "silence", "max_duration", "peer_lost", ...
  std::string
      outcome;  ///< the agent's word: "answered", "refused", "no_answer", ...; empty for echo
  std::int64_t duration_ms = 0;                ///< sample clock at the end
  std::map<std::string, std::string> answers;  ///< slot -> value
  std::vector<Turn> turns;
  std::vector<Waterfall> waterfalls;
  Counters counters;
  Recording recording;
};

/// "agent" or "callee".
std::string_view to_string(Speaker speaker);

nlohmann::json to_json(const CallRecord& record);
/// Pretty-printed JSON with a final newline; invalid UTF-8 is replaced, never refused.
std::string to_json_text(const CallRecord& record);
/// The opposite. Unknown members are ignored. Errc::protocol names the member that is missing or of
/// a wrong type.
Result<CallRecord> from_json(const nlohmann::json& json);
/// From text of at most 4 MiB.
Result<CallRecord> from_json_text(std::string_view text);

/// The conversation for people: a heading, then one line a turn with its time, e.g.
/// "00:03.2  agent   Hello Dana. [interrupted after 1.4 s]".
std::string transcript_text(const CallRecord& record);

/// Milliseconds from the callee's last voiced sample to the reply's first heard one; nullopt when
/// unknown.
std::optional<std::int64_t> turn_gap_ms(const Waterfall& waterfall);

}  // namespace call::record
