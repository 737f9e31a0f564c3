#include "core/flow/agent.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "core/flow/builtin_phrases.hpp"
#include "core/flow/toml_source.hpp"
#include "core/speech/synthesizer.hpp"

namespace call::flow {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxStates = 200;
constexpr std::int64_t kMaxReprompts = 10;
constexpr int kMaxNumber = 99;

Result<Expect> expect_at(const TomlSource& source, const std::string& path) {
  CALL_TRY(const auto word, source.text(path));
  if (word.empty() || word == "nothing") return Expect::nothing;
  if (word == "yes_no") return Expect::yes_no;
  if (word == "number") return Expect::number;
  if (word == "digits") return Expect::digits;
  if (word == "choice") return Expect::choice;
  return source.fault(path, "must be nothing, yes_no, number, digits or choice");
}

Status read_transitions(const TomlSource& source, const std::string& path, AgentState& state) {
  for (const auto intent : {kYes, kNo}) {
    CALL_TRY(const auto target, source.text(fmt::format("{}.{}", path, intent)));
    if (!target.empty()) state.on[std::string(intent)] = target;
    if (state.expect == Expect::yes_no && target.empty()) {
      return source.fault(path, fmt::format("a yes_no question needs \"{}\"", intent));
    }
  }
  const Json* on = source.find(path + ".on");
  if (on == nullptr) return {};
  if (!on->is_object()) return source.fault(path + ".on", "must be a table of intents and states");
  for (const auto& [intent, target] : on->items()) {
    if (!target.is_string())
      return source.fault(path + ".on", "must be a table of intents and states");
    state.on[intent] = target.get<std::string>();
  }
  return {};
}

const NumberKey<AgentState> kTiming[] = {
    CALL_NUMBER_KEY(AgentState, "silence_after_ms", 1000, 60000, silence_after),
    CALL_NUMBER_KEY(AgentState, "end_after_ms", 200, 3000, end_after),
};

const std::set<std::string> kStateKeys = {
    "say",         "expect",  "least",   "most",          "slot",
    "yes",         "no",      "on",      "next",          "no_match",
    "silence",     "outcome", "hang_up", "interruptible", "silence_after_ms",
    "end_after_ms"};

Result<std::optional<speech::VoskOptions>> read_listener(const TomlSource& source) {
  if (source.find("listener") == nullptr) return std::optional<speech::VoskOptions>();
  CALL_CHECK(source.check_keys("listener", {"provider", "model", "extra"}));
  CALL_CHECK(source.check_keys("listener.extra", {"library"}));
  CALL_TRY(const auto provider, source.text("listener.provider"));
  if (provider == "embedded") return std::optional<speech::VoskOptions>();
  if (provider != "libvosk")
    return source.fault("listener.provider", "of a script must be libvosk or embedded");
  speech::VoskOptions options;
  CALL_TRY(const auto model, source.text("listener.model"));
  CALL_TRY(const auto library, source.text("listener.extra.library"));
  if (model.empty())
    return source.fault("listener.model", "is not set: the directory of a model of Vosk's");
  options.model_dir = model;
  if (!library.empty()) options.library = library;
  return std::optional(std::move(options));
}

/// The state's own words, or the agent's in [defaults].
Result<AgentState> read_state(const TomlSource& source, const std::string& name) {
  const std::string path = "states." + name;
  CALL_CHECK(source.check_keys(path, kStateKeys));
  AgentState state;
  state.name = name;
  CALL_TRY(state.say, source.prompt(path + ".say", ""));
  CALL_TRY(state.expect, expect_at(source, path + ".expect"));
  CALL_TRY(const auto least, source.number(path + ".least", 0, 0, kMaxNumber));
  CALL_TRY(const auto most, source.number(path + ".most", 9, least, kMaxNumber));
  state.least = static_cast<int>(least);
  state.most = static_cast<int>(most);
  CALL_TRY(state.slot, source.text(path + ".slot"));
  CALL_TRY(state.next, source.text(path + ".next"));
  CALL_TRY(state.outcome, source.text(path + ".outcome"));
  CALL_TRY(state.hang_up, source.boolean(path + ".hang_up", false));
  CALL_TRY(state.interruptible, source.boolean(path + ".interruptible", !state.hang_up));
  CALL_TRY(state.no_match, source.prompt(path + ".no_match", "Sorry, I did not understand that."));
  CALL_TRY(state.silence, source.prompt(path + ".silence", "Sorry, I did not hear anything."));
  CALL_CHECK(read_numbers(
      source.json(), path + ".", state_keys(),
      [&](auto where, auto why) { return source.fault(where, why); }, state));
  CALL_CHECK(read_transitions(source, path, state));
  if (state.say.empty()) return source.fault(path, "has nothing to say");
  if (state.expect == Expect::digits) state.least = std::max(state.least, 1);
  const bool needs_next = state.expect == Expect::number || state.expect == Expect::digits ||
                          state.expect == Expect::nothing;
  if (!state.hang_up && needs_next && state.next.empty())
    return source.fault(path, "needs \"next\" or \"hang_up\"");
  if (state.hang_up && state.expect != Expect::nothing)
    return source.fault(path, "a last state expects nothing");
  if (state.expect == Expect::choice && state.on.empty())
    return source.fault(path, "a choice needs \"on\"");
  return state;
}

Status read_phrases(const TomlSource& source, Agent& agent) {
  std::set<std::string> needed;
  for (const auto& [name, state] : agent.states) {
    if (state.expect == Expect::number) needed.insert(std::string(kNumber));
    for (const auto& [intent, target] : state.on) needed.insert(intent);
  }
  for (const char* table : {"intents", "slots"}) {
    const Json* found = source.find(table);
    if (found == nullptr) continue;
    if (!found->is_object()) return source.fault(table, "must be a table");
    for (const auto& item : found->items()) {
      const auto path = fmt::format("{}.{}", table, item.key());
      CALL_TRY(auto templates, source.strings(path, "phrase templates"));
      if (std::string_view(table) == "slots") {
        agent.phrases.slots[item.key()] = std::move(templates);
      } else {
        agent.phrases.intents.push_back({item.key(), std::move(templates)});
      }
    }
  }
  for (const auto& intent : needed) {
    auto templates = builtin_phrases(intent);
    const bool own =
        std::ranges::any_of(agent.phrases.intents, [&](const auto& i) { return i.name == intent; });
    if (templates.empty() && !own)
      return source.fault("intents", fmt::format("no intent \"{}\"", intent));
    if (!templates.empty()) agent.phrases.intents.push_back({intent, std::move(templates)});
  }
  return {};
}

Status check_targets(const TomlSource& source, const Agent& agent) {
  const auto known = [&](const std::string& name) { return agent.states.contains(name); };
  if (!known(agent.start))
    return source.fault("start", fmt::format("no state \"{}\"", agent.start));
  if (!known(agent.give_up))
    return source.fault("give_up", fmt::format("no state \"{}\"", agent.give_up));
  if (!agent.states.at(agent.give_up).hang_up)
    return source.fault("give_up", "must be a state that hangs up");
  for (const auto& [name, state] : agent.states) {
    if (!state.next.empty() && !known(state.next)) {
      return source.fault(fmt::format("states.{}.next", name),
                          fmt::format("no state \"{}\"", state.next));
    }
    for (const auto& [intent, target] : state.on) {
      if (known(target)) continue;
      const bool own_key = intent == kYes || intent == kNo;
      return source.fault(fmt::format("states.{}.{}", name, own_key ? intent : "on"),
                          fmt::format("no state \"{}\"", target));
    }
  }
  return {};
}

/// States that wait for nothing lead on at once: a circle of them would never end.
Status check_circles(const TomlSource& source, const Agent& agent) {
  for (const auto& [name, first] : agent.states) {
    const AgentState* state = &first;
    for (std::size_t steps = 0; state->expect == Expect::nothing && !state->hang_up; ++steps) {
      if (steps > agent.states.size()) {
        return source.fault("states." + name,
                            "leads in a circle without ever waiting for an answer");
      }
      state = &agent.states.at(state->next);
    }
  }
  return {};
}

}  // namespace

std::span<const NumberKey<AgentState>> state_keys() {
  return kTiming;
}

Result<Agent> parse_agent(std::string_view toml, std::string_view name,
                          std::string_view source_name) {
  CALL_TRY(const auto source, TomlSource::parse(toml, source_name));
  CALL_CHECK(
      source.check_keys("", {"description", "voice", "start", "give_up", "reprompts", "intents",
                             "slots", "states", "listener", "turns", "voicemail"}));
  Agent agent;
  agent.name = name;
  CALL_TRY(agent.voice, source.text("voice"));
  if (!agent.voice.empty() && !speech::voice_from(agent.voice)) {
    return source.fault("voice", fmt::format("no voice \"{}\"", agent.voice));
  }
  CALL_TRY(agent.start, source.text("start"));
  CALL_TRY(agent.give_up, source.text("give_up"));
  CALL_TRY(const auto reprompts, source.number("reprompts", agent.reprompts, 0, kMaxReprompts));
  agent.reprompts = static_cast<int>(reprompts);
  CALL_TRY(agent.turns, read_turn_policy(source.json(), [&](auto path, auto why) {
             return source.fault(path, why);
           }));
  CALL_TRY(agent.neural, read_listener(source));
  const Json* states = source.find("states");
  if (states == nullptr || !states->is_object())
    return source.fault("states", "there are no states");
  if (states->size() > kMaxStates)
    return source.fault("states", fmt::format("more than {}", kMaxStates));
  for (const auto& item : states->items()) {
    CALL_TRY(auto state, read_state(source, item.key()));
    agent.states.emplace(item.key(), std::move(state));
  }
  CALL_CHECK(check_targets(source, agent));
  CALL_CHECK(check_circles(source, agent));
  CALL_CHECK(read_phrases(source, agent));
  return agent;
}

}  // namespace call::flow
