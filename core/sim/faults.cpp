#include "core/sim/faults.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/json/json.hpp"
#include "core/sim/table.hpp"

namespace call::sim {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMaxRules = 200000;
constexpr std::size_t kMaxNumbers = 1000000;
constexpr std::int64_t kMaxDelayMs = 120000;

constexpr std::array<std::pair<std::string_view, CreateFault>, 8> kCreates{{
    {"none", CreateFault::none},
    {"drop", CreateFault::drop},
    {"reset", CreateFault::reset},
    {"half", CreateFault::half},
    {"truncated", CreateFault::truncated},
    {"invalid", CreateFault::invalid},
    {"throttle", CreateFault::throttle},
    {"error", CreateFault::error},
}};

constexpr std::array<std::pair<std::string_view, HookFault>, 6> kHooks{{
    {"none", HookFault::none},
    {"lose", HookFault::lose},
    {"twice", HookFault::twice},
    {"reorder", HookFault::reorder},
    {"delay", HookFault::delay},
    {"early", HookFault::early},
}};

template <class Words, class Word>
Status read_word(const Json& table, const char* key, const Words& words, Word& out) {
  CALL_TRY(const auto said, json::get_string_or(table, key, "none"));
  std::string choices;
  for (const auto& [name, word] : words) {
    if (name == said) {
      out = word;
      return {};
    }
    choices += (choices.empty() ? "" : ", ") + std::string(name);
  }
  return invalid(fmt::format("{} must be one of {}, not '{}'", key, choices, said));
}

Status read_ms(const Json& table, const char* key, milliseconds& out) {
  CALL_TRY(const auto ms, json::get_int_or(table, key, out.count()));
  if (ms < 0 || ms > kMaxDelayMs)
    return invalid(fmt::format("{} must be 0 to {}", key, kMaxDelayMs));
  out = milliseconds(ms);
  return {};
}

Status read_int(const Json& table, const char* key, int lowest, int highest, int& out) {
  CALL_TRY(const auto value, json::get_int_or(table, key, out));
  if (value < lowest || value > highest)
    return invalid(fmt::format("{} must be {} to {}", key, lowest, highest));
  out = static_cast<int>(value);
  return {};
}

Status read_share(const Json& table, const char* key, double& out) {
  CALL_TRY(out, json::get_number_or(table, key, out));
  if (out >= 0 && out <= 1) return {};
  return invalid(fmt::format("{} must be 0 to 1", key));
}

Status read_usual(const Json& table, Faults& out) {
  CALL_CHECK(known_keys(table, {"answer_delay_ms", "list_lag_ms"}));
  CALL_CHECK(read_ms(table, "answer_delay_ms", out.answer_delay));
  return read_ms(table, "list_lag_ms", out.list_lag);
}

Result<FaultRule> read_rule(const Json& table, const Faults& usual) {
  if (!table.is_object()) return invalid("must be a table");
  CALL_CHECK(known_keys(
      table, {"number", "share", "times", "create", "status", "accepted", "retry_after_s",
              "answer_delay_ms", "webhooks", "webhook_share", "webhook_delay_ms", "list_lag_ms"}));
  FaultRule rule;
  rule.faults = usual;
  auto& faults = rule.faults;
  CALL_TRY(rule.number, json::get_string_or(table, "number", ""));
  CALL_CHECK(read_share(table, "share", rule.share));
  CALL_CHECK(read_int(table, "times", 0, 1000000, rule.times));
  CALL_CHECK(read_word(table, "create", kCreates, faults.create));
  CALL_CHECK(read_int(table, "status", 500, 599, faults.status));
  CALL_TRY(faults.accepted, json::get_bool_or(table, "accepted", faults.accepted));
  CALL_CHECK(read_int(table, "retry_after_s", 0, 3600, faults.retry_after_s));
  CALL_CHECK(read_ms(table, "answer_delay_ms", faults.answer_delay));
  CALL_CHECK(read_word(table, "webhooks", kHooks, faults.webhooks));
  CALL_CHECK(read_share(table, "webhook_share", faults.webhook_share));
  CALL_CHECK(read_ms(table, "webhook_delay_ms", faults.webhook_delay));
  CALL_CHECK(read_ms(table, "list_lag_ms", faults.list_lag));
  return rule;
}

}  // namespace

bool Faults::is_accepted() const {
  if (create == CreateFault::throttle) return false;
  return create != CreateFault::error || accepted;
}

double throw_dice(std::uint64_t seed, std::string_view what, std::uint64_t n) {
  // FNV-1a, then the finaliser of SplitMix64: the same on every machine.
  std::uint64_t hash = 14695981039346656037ULL ^ seed;
  for (const char c : what) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  hash += (n + 1) * 0x9e3779b97f4a7c15ULL;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebULL;
  hash ^= hash >> 31;
  return static_cast<double>(hash >> 11) / 9007199254740992.0;
}

Status FaultPlan::add(const Json& document) {
  Faults usual = state_.with([](const State& state) { return state.usual; });
  if (document.contains("carrier")) {
    CALL_TRY(const auto table, json::get_object(document, "carrier"));
    CALL_CHECK(read_usual(table, usual).with_context("carrier"));
  }
  std::vector<FaultRule> rules;
  if (document.contains("fault")) {
    CALL_TRY(const auto list, json::get_array(document, "fault"));
    for (std::size_t i = 0; i < list.size(); ++i) {
      auto rule = read_rule(list[i], usual);
      if (!rule) return std::move(rule).error().with_context(fmt::format("fault {}", i + 1));
      rules.push_back(*std::move(rule));
    }
  }
  return state_.with([&](State& state) -> Status {
    if (state.rules + rules.size() > kMaxRules)
      return invalid(fmt::format("more than {} faults", kMaxRules));
    state.usual = usual;
    state.rules += rules.size();
    for (auto& rule : rules) {
      auto& place = rule.number.empty() ? state.general : state.by_number[rule.number];
      place.push_back(std::move(rule));
    }
    return {};
  });
}

void FaultPlan::clear() {
  state_.with([](State& state) {
    state.usual = {};
    state.general.clear();
    state.by_number.clear();
    state.creates.clear();
    state.rules = 0;
  });
}

void FaultPlan::set_seed(std::uint64_t seed) {
  state_.with([&](State& state) { state.seed = seed; });
}

Faults FaultPlan::draw(const std::string& number) {
  return state_.with([&](State& state) {
    Faults out = state.usual;
    std::uint64_t n = 0;
    if (state.rules > 0 && state.creates.size() < kMaxNumbers) n = state.creates[number]++;
    const auto fits = [&](const FaultRule& rule) {
      if (rule.times > 0 && n >= static_cast<std::uint64_t>(rule.times)) return false;
      return rule.share >= 1 || throw_dice(state.seed, number, n) < rule.share;
    };
    const auto look = [&](const std::vector<FaultRule>& rules) {
      const auto rule = std::find_if(rules.begin(), rules.end(), fits);
      if (rule != rules.end()) out = rule->faults;
      return rule != rules.end();
    };
    const auto own = state.by_number.find(number);
    if (own == state.by_number.end() || !look(own->second)) look(state.general);
    out.dice = state.seed ^ (n << 32);
    return out;
  });
}

milliseconds FaultPlan::answer_delay() const {
  return state_.with([](const State& state) { return state.usual.answer_delay; });
}

}  // namespace call::sim
