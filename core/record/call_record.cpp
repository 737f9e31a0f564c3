#include "core/record/call_record.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "core/json/json.hpp"
#include "core/record/counters.hpp"

namespace call::record {
namespace {

constexpr std::size_t kMaxText = 4U << 20;

Json time_json(const std::optional<WallTime>& time) {
  return time ? Json(to_rfc3339(*time, 3)) : Json(nullptr);
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json turn_json(const Turn& turn) {
  Json json{{"who", to_string(turn.who)},
            {"text", turn.text},
            {"start_ms", turn.start_ms},
            {"end_ms", turn.end_ms},
            {"state", turn.state}};
  if (turn.who == Speaker::agent) {
    json["heard_text"] = turn.heard_text;
    json["heard_ms"] = turn.heard_ms;
    json["interrupted"] = turn.interrupted;
  } else {
    json["confidence"] = turn.confidence;
    json["intent"] = turn.intent;
    json["digits"] = turn.digits;
    if (!turn.words.empty()) {
      auto& words = json["words"] = Json::array();
      for (const auto& word : turn.words) {
        words.push_back(
            {{"text", word.text}, {"start_ms", word.start_ms}, {"end_ms", word.end_ms}});
      }
    }
  }
  return json;
}

Json recording_json(const Recording& recording) {
  Json json{{"samples", recording.samples},
            {"lost_samples", recording.lost_samples},
            {"masked", Json::array()}};
  for (const auto& span : recording.masked) {
    json["masked"].push_back(
        {{"track", to_string(span.track)}, {"start_ms", span.start_ms}, {"end_ms", span.end_ms}});
  }
  if (!recording.removed.empty()) json["removed"] = recording.removed;
  return json;
}

Json waterfall_json(const Waterfall& w) {
  return {{"turn", w.turn},
          {"speech_end_ms", or_null(w.speech_end_ms)},
          {"endpoint_ms", or_null(w.endpoint_ms)},
          {"final_transcript_ms", or_null(w.final_transcript_ms)},
          {"first_token_ms", or_null(w.first_token_ms)},
          {"reply_ready_ms", or_null(w.reply_ready_ms)},
          {"first_audio_sent_ms", or_null(w.first_audio_sent_ms)},
          {"first_heard_ms", or_null(w.first_heard_ms)}};
}

Json counters_json(const Counters& counters) {
  Json json = Json::object();
  for (const auto& field : kCounters) json[field.key] = counters.*field.member;
  json["drops"] = counters.drops;
  json["lateness"] = {{"bounds_ms", kLatenessBoundsMs}, {"counts", counters.lateness}};
  return json;
}

Status read_time(const Json& json, std::string_view name, std::optional<WallTime>& out) {
  CALL_TRY(const auto text, json::get_string_or(json, name, ""));
  if (text.empty()) return {};
  out = parse_rfc3339(text);
  if (!out) return Error{Errc::invalid_argument, fmt::format("{} is not an RFC 3339 time", name)};
  return {};
}

Status read_ms(const Json& json, std::string_view name, std::optional<std::int64_t>& out) {
  if (json::find(json, name) == nullptr) return {};
  CALL_TRY(out, json::get_int(json, name));
  return {};
}

Speaker speaker_of(std::string_view name) {
  return name == "agent" ? Speaker::agent : Speaker::callee;
}

Status read_words(const Json& json, std::vector<Word>& out) {
  if (json::find(json, "words") == nullptr) return {};
  CALL_TRY(const Json words, json::get_array(json, "words"));
  for (const auto& item : words) {
    Word word;
    CALL_TRY(word.text, json::get_string(item, "text"));
    CALL_TRY(word.start_ms, json::get_int(item, "start_ms"));
    CALL_TRY(word.end_ms, json::get_int(item, "end_ms"));
    out.push_back(std::move(word));
  }
  return {};
}

template <class Count>
Status take_count(std::string_view name, std::int64_t value, Count& out) {
  if (!std::in_range<Count>(value))
    return Error{Errc::invalid_argument, fmt::format("{} is no count: {}", name, value)};
  out = static_cast<Count>(value);
  return {};
}

Status read_count(const Json& json, std::string_view name, std::uint64_t& out) {
  CALL_TRY(const auto value, json::get_int_or(json, name, 0));
  return take_count(name, value, out);
}

Status read_recording(const Json& json, Recording& out) {
  if (json::find(json, "recording") == nullptr) return {};
  CALL_CHECK(read_count(json, "recording.samples", out.samples));
  CALL_CHECK(read_count(json, "recording.lost_samples", out.lost_samples));
  CALL_TRY(out.removed, json::get_string_or(json, "recording.removed", ""));
  if (json::find(json, "recording.masked") == nullptr) return {};
  CALL_TRY(const Json masked, json::get_array(json, "recording.masked"));
  for (const auto& item : masked) {
    Span span;
    CALL_TRY(const auto track, json::get_string(item, "track"));
    span.track = speaker_of(track);
    CALL_TRY(span.start_ms, json::get_int(item, "start_ms"));
    CALL_TRY(span.end_ms, json::get_int(item, "end_ms"));
    out.masked.push_back(span);
  }
  return {};
}

Result<Turn> read_turn(const Json& json) {
  Turn turn;
  CALL_TRY(const auto who, json::get_string(json, "who"));
  turn.who = speaker_of(who);
  CALL_TRY(turn.text, json::get_string_or(json, "text", ""));
  CALL_TRY(turn.heard_text, json::get_string_or(json, "heard_text", ""));
  CALL_TRY(turn.confidence, json::get_number_or(json, "confidence", 1.0));
  CALL_TRY(turn.start_ms, json::get_int_or(json, "start_ms", 0));
  CALL_TRY(turn.end_ms, json::get_int_or(json, "end_ms", 0));
  CALL_TRY(turn.heard_ms, json::get_int_or(json, "heard_ms", 0));
  CALL_TRY(turn.interrupted, json::get_bool_or(json, "interrupted", false));
  CALL_TRY(turn.digits, json::get_bool_or(json, "digits", false));
  CALL_TRY(turn.state, json::get_string_or(json, "state", ""));
  CALL_TRY(turn.intent, json::get_string_or(json, "intent", ""));
  CALL_CHECK(read_words(json, turn.words));
  return turn;
}

Result<Waterfall> read_waterfall(const Json& json) {
  Waterfall w;
  CALL_TRY(const auto turn, json::get_int(json, "turn"));
  CALL_CHECK(take_count("turn", turn, w.turn));
  CALL_CHECK(read_ms(json, "speech_end_ms", w.speech_end_ms));
  CALL_CHECK(read_ms(json, "endpoint_ms", w.endpoint_ms));
  CALL_CHECK(read_ms(json, "final_transcript_ms", w.final_transcript_ms));
  CALL_CHECK(read_ms(json, "first_token_ms", w.first_token_ms));
  CALL_CHECK(read_ms(json, "reply_ready_ms", w.reply_ready_ms));
  CALL_CHECK(read_ms(json, "first_audio_sent_ms", w.first_audio_sent_ms));
  CALL_CHECK(read_ms(json, "first_heard_ms", w.first_heard_ms));
  return w;
}

Status read_counters(const Json& json, Counters& counters) {
  for (const auto& field : kCounters) {
    CALL_CHECK(read_count(json, fmt::format("counters.{}", field.key), counters.*field.member));
  }
  if (json::find(json, "counters.drops") != nullptr) {
    CALL_TRY(const Json drops, json::get_object(json, "counters.drops"));
    for (const auto& [reason, count] : drops.items()) {
      if (count.is_number_unsigned()) counters.drops[reason] = count.get<std::uint64_t>();
    }
  }
  for (std::size_t i = 0; i < counters.lateness.size(); ++i) {
    const auto path = fmt::format("counters.lateness.counts.{}", i);
    CALL_CHECK(read_count(json, path, counters.lateness[i]));
  }
  return {};
}

Status read_lists(const Json& json, CallRecord& record) {
  if (json::find(json, "answers") != nullptr) {
    CALL_TRY(const Json answers, json::get_object(json, "answers"));
    for (const auto& [slot, value] : answers.items()) {
      if (value.is_string()) record.answers[slot] = value.get<std::string>();
    }
  }
  if (json::find(json, "turns") != nullptr) {
    CALL_TRY(const Json turns, json::get_array(json, "turns"));
    for (const auto& item : turns) {
      CALL_TRY(auto turn, read_turn(item).with_context("turns"));
      record.turns.push_back(std::move(turn));
    }
  }
  if (json::find(json, "waterfalls") != nullptr) {
    CALL_TRY(const Json waterfalls, json::get_array(json, "waterfalls"));
    for (const auto& item : waterfalls) {
      CALL_TRY(auto waterfall, read_waterfall(item).with_context("waterfalls"));
      record.waterfalls.push_back(waterfall);
    }
  }
  return {};
}

}  // namespace

std::string_view to_string(Speaker speaker) {
  switch (speaker) {
    case Speaker::agent:
      return "agent";
    case Speaker::callee:
      return "callee";
  }
  return "callee";
}

Json to_json(const CallRecord& record) {
  Json json{{"version", kVersion},
            {"call_sid", record.call_sid},
            {"stream_sid", record.stream_sid},
            {"tenant", record.tenant},
            {"list", record.list},
            {"entry", record.entry},
            {"attempt", record.attempt},
            {"agent", record.agent},
            {"from", record.from},
            {"to", record.to},
            {"started_at", time_json(record.started_at)},
            {"answered_at", time_json(record.answered_at)},
            {"ended_at", time_json(record.ended_at)},
            {"end_reason", record.end_reason},
            {"outcome", record.outcome},
            {"duration_ms", record.duration_ms},
            {"answers", record.answers},
            {"turns", Json::array()},
            {"waterfalls", Json::array()},
            {"counters", counters_json(record.counters)},
            {"recording", recording_json(record.recording)}};
  for (const auto& turn : record.turns) json["turns"].push_back(turn_json(turn));
  for (const auto& w : record.waterfalls) json["waterfalls"].push_back(waterfall_json(w));
  return json;
}

std::string to_json_text(const CallRecord& record) {
  return json::dump(to_json(record), 2) + "\n";
}

Result<CallRecord> from_json(const Json& json) {
  CALL_TRY(const auto version, json::get_int(json, "version"));
  if (version > kVersion) {
    return Error{
        Errc::protocol,
        fmt::format("call record version {} is newer than this program's {}", version, kVersion)};
  }
  CallRecord record;
  CALL_TRY(record.call_sid, json::get_string(json, "call_sid"));
  CALL_TRY(record.stream_sid, json::get_string_or(json, "stream_sid", ""));
  CALL_TRY(record.tenant, json::get_string_or(json, "tenant", ""));
  CALL_TRY(record.list, json::get_string_or(json, "list", ""));
  CALL_TRY(record.entry, json::get_string_or(json, "entry", ""));
  CALL_TRY(record.attempt, json::get_string_or(json, "attempt", ""));
  CALL_TRY(record.agent, json::get_string_or(json, "agent", ""));
  CALL_TRY(record.from, json::get_string_or(json, "from", ""));
  CALL_TRY(record.to, json::get_string_or(json, "to", ""));
  CALL_CHECK(read_time(json, "started_at", record.started_at));
  CALL_CHECK(read_time(json, "answered_at", record.answered_at));
  CALL_CHECK(read_time(json, "ended_at", record.ended_at));
  CALL_TRY(record.end_reason, json::get_string_or(json, "end_reason", ""));
  CALL_TRY(record.outcome, json::get_string_or(json, "outcome", ""));
  CALL_TRY(record.duration_ms, json::get_int_or(json, "duration_ms", 0));
  CALL_CHECK(read_counters(json, record.counters));
  CALL_CHECK(read_lists(json, record));
  CALL_CHECK(read_recording(json, record.recording));
  return record;
}

Result<CallRecord> from_json_text(std::string_view text) {
  CALL_TRY(const Json json, json::parse(text, {kMaxText, 16}, "the call record"));
  return from_json(json);
}

std::optional<std::int64_t> turn_gap_ms(const Waterfall& waterfall) {
  if (!waterfall.speech_end_ms || !waterfall.first_heard_ms) return std::nullopt;
  return *waterfall.first_heard_ms - *waterfall.speech_end_ms;
}

}  // namespace call::record
