#include "core/flow/turn_policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/flow/render.hpp"
#include "core/json/json.hpp"

namespace call::flow {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxBackChannel = 50;
constexpr std::size_t kMaxMessage = 1000;

// clang-format off
#define TURN_KEY(name, least, most, member) CALL_NUMBER_KEY(TurnPolicy, name, least, most, member)
#define TURN_SECONDS(name, least, most, member) CALL_SECONDS_KEY(TurnPolicy, name, least, most, member)

const NumberKey<TurnPolicy> kKeys[] = {
    TURN_KEY("turns.hello_ms", 0, 5000, hello),
    TURN_KEY("turns.hello_patience_ms", 500, 60000, hello_patience),
    TURN_KEY("turns.start_percent", 5, 95, tuning.turn.endpointer.start_threshold),
    TURN_KEY("turns.stop_percent", 5, 95, tuning.turn.endpointer.stop_threshold),
    TURN_KEY("turns.start_gap_ms", 20, 500, tuning.turn.endpointer.start_gap),
    TURN_KEY("turns.start_ms", 20, 500, tuning.turn.endpointer.start_after),
    TURN_KEY("turns.pause_ms", 100, 2000, tuning.turn.pause),
    TURN_KEY("turns.max_turn_ms", 2000, 60000, tuning.turn.endpointer.max_utterance),
    TURN_KEY("turns.pre_roll_ms", 0, 1000, tuning.turn.pre_roll),
    TURN_KEY("turns.barge_in_ms", 60, 3000, tuning.turn.barge_in),
    TURN_KEY("turns.voice_gap_ms", 0, 1000, tuning.turn.voice_gap),
    TURN_KEY("turns.echo_guard_ms", 0, 2000, tuning.turn.echo_guard),
    TURN_KEY("turns.min_words", 0, 20, min_words),
    TURN_KEY("turns.max_resumes", 0, 10, max_resumes),
    TURN_KEY("turns.resume_overlap_ms", 0, 2000, resume_overlap),
    TURN_KEY("turns.least_answer_ms", 0, 2000, least_answer),
    TURN_KEY("turns.key_pause_ms", 500, 20000, key_pause),
    TURN_KEY("turns.lead_ms", 200, 10000, tuning.playout.lead),
    TURN_KEY("turns.piece_ms", 40, 1000, tuning.playout.piece),
    TURN_KEY("turns.audible_grace_ms", 0, 2000, tuning.playout.audible_grace),
    TURN_KEY("turns.mark_patience_ms", 500, 30000, tuning.playout.mark_patience),
    TURN_SECONDS("turns.max_call_s", 5, 86400, tuning.max_duration),
    TURN_SECONDS("voicemail.window_s", 1, 600, tuning.voicemail.window),
    TURN_KEY("voicemail.long_greeting_ms", 1000, 60000, tuning.voicemail.long_greeting),
    TURN_KEY("voicemail.greeting_pause_ms", 200, 5000, tuning.voicemail.greeting_pause),
    TURN_KEY("voicemail.beep_ms", 100, 2000, tuning.voicemail.beep),
    TURN_SECONDS("voicemail.patience_s", 1, 120, machine_patience),
};
#undef TURN_KEY
#undef TURN_SECONDS
// clang-format on

constexpr std::string_view kWords[] = {"turns.first",       "turns.back_channel",
                                       "turns.vad",         "voicemail.action",
                                       "voicemail.message", "voicemail.farewell"};

Status check_names(const Json& table, std::string_view prefix, const MakeFault& fault) {
  for (const auto& [name, value] : table.items()) {
    const auto path = fmt::format("{}.{}", prefix, name);
    const bool known =
        std::ranges::find(kKeys, path, &NumberKey<TurnPolicy>::name) != std::end(kKeys) ||
        std::ranges::find(kWords, path) != std::end(kWords);
    if (!known) return fault(path, "unknown key");
  }
  return {};
}

Result<std::string> word_at(const Json& agent, const std::string& path, std::string fallback,
                            const MakeFault& fault) {
  const Json* value = json::find(agent, path);
  if (value == nullptr) return fallback;
  if (!value->is_string()) return fault(path, "must be a text");
  return value->get<std::string>();
}

Status read_back_channel(const Json& agent, const MakeFault& fault, TurnPolicy& policy) {
  const Json* list = json::find(agent, "turns.back_channel");
  if (list == nullptr) return {};
  if (!list->is_array() || list->size() > kMaxBackChannel) {
    return fault("turns.back_channel",
                 fmt::format("must be an array of at most {} texts", kMaxBackChannel));
  }
  policy.back_channel.clear();
  for (const auto& phrase : *list) {
    if (!phrase.is_string()) return fault("turns.back_channel", "must be an array of texts");
    policy.back_channel.push_back(phrase.get<std::string>());
  }
  return {};
}

Status check_spoken(std::string_view path, const std::string& text, const MakeFault& fault) {
  if (text.size() > kMaxMessage)
    return fault(path, fmt::format("longer than {} bytes", kMaxMessage));
  const auto sound = check_template(text);
  return sound ? Status() : fault(path, sound.error().context);
}

Status read_voicemail(const Json& agent, const MakeFault& fault, TurnPolicy& policy) {
  CALL_TRY(const auto action, word_at(agent, "voicemail.action", "hang_up", fault));
  CALL_TRY(policy.machine_message, word_at(agent, "voicemail.message", "", fault));
  CALL_TRY(policy.machine_farewell,
           word_at(agent, "voicemail.farewell", policy.machine_farewell, fault));
  CALL_CHECK(check_spoken("voicemail.message", policy.machine_message, fault));
  CALL_CHECK(check_spoken("voicemail.farewell", policy.machine_farewell, fault));
  if (action == "hang_up") {
    policy.machine = TurnPolicy::Machine::hang_up;
  } else if (action == "ignore") {
    policy.machine = TurnPolicy::Machine::ignore;
  } else if (action == "message") {
    policy.machine = TurnPolicy::Machine::leave_message;
  } else {
    return fault("voicemail.action", "must be hang_up, message or ignore");
  }
  if (action == "message" && policy.machine_message.empty()) {
    return fault("voicemail.message", "is missing");
  }
  policy.tuning.voicemail.enabled = policy.machine != TurnPolicy::Machine::ignore;
  return {};
}

/// Letters, figures and inner spaces only, in lower case.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : to_lower_ascii(text)) {
    const bool kept = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c & 0x80) != 0;
    if (kept) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace

std::span<const NumberKey<TurnPolicy>> turn_keys() {
  return kKeys;
}

Result<TurnPolicy> read_turn_policy(const Json& agent, const MakeFault& fault) {
  TurnPolicy policy;
  for (const std::string table : {"turns", "voicemail"}) {
    const Json* found = json::find(agent, table);
    if (found == nullptr) continue;
    if (!found->is_object()) return fault(table, "must be a table");
    CALL_CHECK(check_names(*found, table, fault));
  }
  CALL_CHECK(read_numbers(agent, "", turn_keys(), fault, policy));
  const auto& endpointer = policy.tuning.turn.endpointer;
  if (endpointer.stop_threshold > endpointer.start_threshold)
    return fault("turns.stop_percent", "must not be greater than turns.start_percent");
  CALL_TRY(const auto first, word_at(agent, "turns.first", "agent", fault));
  if (first != "agent" && first != "callee") {
    return fault("turns.first", "must be agent or callee");
  }
  policy.callee_first = first == "callee";
  CALL_TRY(const auto vad, word_at(agent, "turns.vad", "neural", fault));
  if (vad != "neural" && vad != "energy") return fault("turns.vad", "must be neural or energy");
  policy.tuning.vad =
      vad == "energy" ? media::CallTuning::Vad::energy : media::CallTuning::Vad::neural;
  CALL_CHECK(read_back_channel(agent, fault, policy));
  CALL_CHECK(read_voicemail(agent, fault, policy));
  return policy;
}

MachineAct on_machine(const TurnPolicy& policy, bool beep) {
  using Kind = MachineAct::Kind;
  switch (policy.machine) {
    case TurnPolicy::Machine::ignore:
      return {};
    case TurnPolicy::Machine::hang_up:
      if (beep || policy.machine_farewell.empty()) return {Kind::hang_up, "machine"};
      return {Kind::say, "machine", policy.machine_farewell};
    case TurnPolicy::Machine::leave_message:
      if (!beep) return {Kind::wait};
      return {Kind::say, "completed", policy.machine_message};
  }
  return {};
}

bool is_back_channel(const TurnPolicy& policy, std::string_view words) {
  std::string rest = plain(words);
  if (rest.empty()) return false;
  while (!rest.empty()) {
    const auto matches = [&](const std::string& phrase) {
      const auto p = plain(phrase);
      return !p.empty() && rest.starts_with(p) &&
             (rest.size() == p.size() || rest[p.size()] == ' ');
    };
    const auto at = std::ranges::find_if(policy.back_channel, matches);
    if (at == policy.back_channel.end()) return false;
    rest.erase(0, plain(*at).size() + 1);
  }
  return true;
}

std::int64_t count_words(std::string_view text) {
  const auto words = plain(text);
  return words.empty() ? 0 : std::ranges::count(words, ' ') + 1;
}

}  // namespace call::flow
