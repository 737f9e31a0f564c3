#include "core/sim/script.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include <fmt/format.h>

#include "core/audio/dtmf.hpp"
#include "core/config/config.hpp"
#include "core/json/json.hpp"
#include "core/sim/table.hpp"

namespace call::sim {
namespace {

constexpr std::size_t kMaxCallers = 100000;
constexpr std::size_t kMaxLines = 200;
constexpr std::size_t kMaxSay = 500;

constexpr std::array<std::pair<std::string_view, Pickup>, 5> kPickups{{
    {"answer", Pickup::answer},
    {"voicemail", Pickup::voicemail},
    {"busy", Pickup::busy},
    {"no_answer", Pickup::no_answer},
    {"failed", Pickup::failed},
}};

/// A number with limits; `out` keeps its value when the key is absent.
Status read_number(const Json& table, const char* key, double lowest, double highest, double& out) {
  CALL_TRY(out, json::get_number_or(table, key, out));
  if (out >= lowest && out <= highest) return {};
  return invalid(fmt::format("{} must be {} to {}", key, lowest, highest));
}

Status read_seconds(const Json& table, const char* key, double highest,
                    std::chrono::milliseconds& out) {
  double seconds = std::chrono::duration<double>(out).count();
  CALL_CHECK(read_number(table, key, 0, highest, seconds));
  out = std::chrono::milliseconds(std::lround(seconds * 1000));
  return {};
}

Status read_ms(const Json& table, const char* key, std::chrono::milliseconds& out) {
  double ms = static_cast<double>(out.count());
  CALL_CHECK(read_number(table, key, 0, 600000, ms));
  out = std::chrono::milliseconds(std::lround(ms));
  return {};
}

Status read_ms(const Json& table, const char* key, std::optional<std::chrono::milliseconds>& out) {
  if (!table.contains(key)) return {};
  std::chrono::milliseconds ms{0};
  CALL_CHECK(read_ms(table, key, ms));
  out = ms;
  return {};
}

Result<Line> parse_line(const Json& value) {
  Line line;
  if (value.is_string()) {
    line.say = value.get<std::string>();
  } else if (value.is_object()) {
    CALL_CHECK(
        known_keys(value, {"say", "press", "hang_up", "interrupt_after_ms", "cut_after_ms"}));
    CALL_TRY(line.say, json::get_string_or(value, "say", ""));
    CALL_TRY(line.press, json::get_string_or(value, "press", ""));
    CALL_TRY(line.hang_up, json::get_bool_or(value, "hang_up", false));
    CALL_CHECK(read_ms(value, "interrupt_after_ms", line.interrupt_after));
    CALL_CHECK(read_ms(value, "cut_after_ms", line.cut_after));
  } else {
    return invalid("a line is a string or a table");
  }
  if (int{!line.say.empty()} + int{!line.press.empty()} + int{line.hang_up} != 1)
    return invalid("a line needs exactly one of say, press and hang_up = true");
  if (line.say.size() > kMaxSay) return invalid("a line may have 500 bytes");
  if (!line.say.empty() && speech::speakable(line.say).text.empty())
    return invalid("nothing of '" + line.say + "' can be spoken");
  if (!std::all_of(line.press.begin(), line.press.end(), audio::is_dtmf))
    return invalid("press takes the keys 0-9 * # A-D");
  if (line.cut_after && line.say.empty()) return invalid("cut_after_ms needs say");
  return line;
}

Status read_lines(const Json& table, std::vector<Line>& out) {
  if (!table.contains("lines")) return {};
  CALL_TRY(const auto list, json::get_array(table, "lines"));
  if (list.size() > kMaxLines) return invalid("a caller may have 200 lines");
  out.clear();
  for (const auto& value : list) {
    CALL_TRY(auto line, parse_line(value));
    out.push_back(std::move(line));
  }
  return {};
}

Status read_voice(const Json& table, speech::VoiceStyle& out) {
  CALL_TRY(const auto name, json::get_string_or(table, "voice", speech::to_string(out.voice)));
  const auto voice = speech::voice_from(name);
  if (!voice) return invalid("voice must be rms, slt, awb or kal16, not '" + name + "'");
  out.voice = *voice;
  CALL_CHECK(read_number(table, "rate", 0.5, 2.0, out.rate));
  return read_number(table, "gain_db", -40, 12, out.gain_db);
}

Status read_pickup(const Json& table, Pickup& out) {
  CALL_TRY(const auto word, json::get_string_or(table, "pickup", to_string(out)));
  for (const auto& [name, pickup] : kPickups) {
    if (name != word) continue;
    out = pickup;
    return {};
  }
  return invalid("pickup must be answer, voicemail, busy, no_answer or failed, not '" + word + "'");
}

/// Overwrites what `table` names.
Status read_caller(const Json& table, CallerScript& out) {
  CALL_CHECK(known_keys(table, {"number", "label", "pickup", "ring_s", "hang_up_after_s",
                                "patience_s", "reply_after_ms", "greeting", "beep", "voice", "rate",
                                "gain_db", "noise_dbov", "lines"}));
  CALL_TRY(out.label, json::get_string_or(table, "label", out.label));
  CALL_CHECK(read_pickup(table, out.pickup));
  CALL_CHECK(read_seconds(table, "ring_s", 600, out.ring));
  CALL_CHECK(read_seconds(table, "hang_up_after_s", 14400, out.hang_up_after));
  CALL_CHECK(read_seconds(table, "patience_s", 14400, out.patience));
  CALL_CHECK(read_ms(table, "reply_after_ms", out.reply_after));
  CALL_TRY(out.greeting, json::get_string_or(table, "greeting", out.greeting));
  if (out.greeting.size() > kMaxSay) return invalid("greeting may have 500 bytes");
  CALL_TRY(out.beep, json::get_bool_or(table, "beep", out.beep));
  CALL_CHECK(read_voice(table, out.voice));
  if (table.contains("noise_dbov")) {
    double level = 0;
    CALL_CHECK(read_number(table, "noise_dbov", -90, -20, level));
    out.noise_dbov = level;
  }
  return read_lines(table, out.lines);
}

}  // namespace

std::string_view to_string(Pickup pickup) {
  for (const auto& [name, value] : kPickups)
    if (value == pickup) return name;
  return "";
}

Result<Script> Script::parse(std::string_view toml, std::string_view name) {
  CALL_TRY(const auto document, config::parse_toml_to_json(toml, name));
  const std::string file(name);
  CALL_CHECK(known_keys(document, {"defaults", "caller", "carrier", "fault"}).with_context(file));
  Script script;
  if (document.contains("defaults")) {
    CALL_TRY(const auto table, json::get_object(document, "defaults"));
    CALL_CHECK(read_caller(table, script.defaults_).with_context(file + ": defaults"));
  }
  if (!document.contains("caller")) return script;
  CALL_TRY(const auto callers, json::get_array(document, "caller"));
  if (callers.size() > kMaxCallers) return invalid(file + ": more than 100000 callers");
  for (std::size_t i = 0; i < callers.size(); ++i) {
    auto where = fmt::format("{}: caller {}", file, i + 1);
    auto number = json::get_string(callers[i], "number").with_context(where);
    if (!number) return std::move(number).error();
    where += " (" + *number + ")";
    auto caller = script.defaults_;
    CALL_CHECK(read_caller(callers[i], caller).with_context(where));
    if (!script.callers_.emplace(*number, std::move(caller)).second)
      return invalid(where + ": the number is there twice");
  }
  return script;
}

std::vector<CallerScript> Script::first_callers(std::size_t count) const {
  std::vector<CallerScript> out;
  for (const auto& [number, caller] : callers_) {
    if (out.size() == count) break;
    if (caller.pickup == Pickup::answer || caller.pickup == Pickup::voicemail)
      out.push_back(caller);
  }
  return out;
}

const CallerScript& Script::for_number(std::string_view number) const {
  const auto found = callers_.find(std::string(number));
  return found == callers_.end() ? defaults_ : found->second;
}

}  // namespace call::sim
