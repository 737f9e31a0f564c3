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
using std::chrono::milliseconds;

constexpr std::size_t kMaxBackChannel = 50;
constexpr std::size_t kMaxMessage = 1000;

// A key of milliseconds: its name, its limits, its member.
// clang-format off
#define CALL_MS(name, least, most, member)                               \
  TurnKey{name, least, most,                                             \
          [](const TurnPolicy& p) -> std::int64_t { return p.member.count(); }, \
          [](TurnPolicy& p, std::int64_t v) { p.member = milliseconds(v); }}
#define CALL_COUNT(name, least, most, member)                            \
  TurnKey{name, least, most,                                             \
          [](const TurnPolicy& p) -> std::int64_t { return p.member; },  \
          [](TurnPolicy& p, std::int64_t v) { p.member = v; }}
#define CALL_S(name, least, most, member)                                \
  TurnKey{name, least, most,                                             \
          [](const TurnPolicy& p) -> std::int64_t { return p.member.count() / 1000; }, \
          [](TurnPolicy& p, std::int64_t v) { p.member = milliseconds(v * 1000); }}

const TurnKey kKeys[] = {
    CALL_MS("turns.hello_ms", 0, 5000, hello),
    CALL_MS("turns.hello_patience_ms", 500, 60000, hello_patience),
    CALL_MS("turns.start_ms", 20, 500, tuning.turn.endpointer.start_after),
    CALL_MS("turns.pause_ms", 100, 2000, tuning.turn.pause),
    CALL_MS("turns.max_turn_ms", 2000, 60000, tuning.turn.endpointer.max_utterance),
    CALL_MS("turns.pre_roll_ms", 0, 1000, tuning.turn.pre_roll),
    CALL_MS("turns.barge_in_ms", 60, 3000, tuning.turn.barge_in),
    CALL_MS("turns.echo_guard_ms", 0, 2000, tuning.turn.echo_guard),
    CALL_COUNT("turns.min_words", 0, 20, min_words),
    CALL_COUNT("turns.max_resumes", 0, 10, max_resumes),
    CALL_MS("turns.resume_overlap_ms", 0, 2000, resume_overlap),
    CALL_MS("turns.least_answer_ms", 0, 2000, least_answer),
    CALL_MS("turns.key_pause_ms", 500, 20000, key_pause),
    CALL_MS("turns.lead_ms", 200, 10000, tuning.playout.lead),
    CALL_MS("turns.piece_ms", 40, 1000, tuning.playout.piece),
    CALL_MS("turns.mark_patience_ms", 500, 30000, tuning.playout.mark_patience),
    CALL_S("turns.max_call_s", 5, 86400, tuning.max_duration),
    CALL_S("voicemail.window_s", 1, 600, tuning.voicemail.window),
    CALL_MS("voicemail.long_greeting_ms", 1000, 60000, tuning.voicemail.long_greeting),
    CALL_MS("voicemail.greeting_pause_ms", 200, 5000, tuning.voicemail.greeting_pause),
    CALL_MS("voicemail.beep_ms", 100, 2000, tuning.voicemail.beep),
    CALL_S("voicemail.patience_s", 1, 120, machine_patience),
};
#undef CALL_MS
#undef CALL_COUNT
#undef CALL_S
// clang-format on

constexpr std::string_view kWords[] = {"turns.first", "turns.back_channel", "voicemail.action",
                                       "voicemail.message", "voicemail.farewell"};

const TurnKey* find_key(std::string_view name) {
  const auto at = std::ranges::find(kKeys, name, &TurnKey::name);
  return at == std::end(kKeys) ? nullptr : &*at;
}

Status read_numbers(const Json& table, std::string_view prefix, const MakeFault& fault,
                    TurnPolicy& policy) {
  for (const auto& [name, value] : table.items()) {
    const auto path = fmt::format("{}.{}", prefix, name);
    const TurnKey* key = find_key(path);
    if (key == nullptr) {
      if (std::ranges::find(kWords, path) == std::end(kWords)) return fault(path, "unknown key");
      continue;
    }
    if (!value.is_number_integer()) return fault(path, "must be a whole number");
    const auto number = value.get<std::int64_t>();
    if (number < key->least || number > key->most) {
      return fault(path, fmt::format("must be between {} and {}", key->least, key->most));
    }
    key->set(policy, number);
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

std::span<const TurnKey> turn_keys() {
  return kKeys;
}

Result<TurnPolicy> read_turn_policy(const Json& agent, const MakeFault& fault) {
  TurnPolicy policy;
  for (const std::string table : {"turns", "voicemail"}) {
    const Json* found = json::find(agent, table);
    if (found == nullptr) continue;
    if (!found->is_object()) return fault(table, "must be a table");
    CALL_CHECK(read_numbers(*found, table, fault, policy));
  }
  CALL_TRY(const auto first, word_at(agent, "turns.first", "agent", fault));
  if (first != "agent" && first != "callee") {
    return fault("turns.first", "must be agent or callee");
  }
  policy.callee_first = first == "callee";
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
