#include "core/policy/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "core/base/strings.hpp"
#include "core/config/config.hpp"
#include "core/config/value.hpp"
#include "core/json/json.hpp"

namespace call::policy {
namespace {

using std::chrono::day;
using std::chrono::month;
using std::chrono::month_day;
using std::chrono::seconds;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kDays{"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr std::size_t kMaxHolidays = 1000;
constexpr std::size_t kMaxSpansOfADay = 24;
constexpr std::size_t kMaxCaps = 16;
constexpr std::size_t kMaxRetrySteps = 20;
constexpr seconds kLongest = std::chrono::hours(24 * 3660);

Error wrong(std::string_view key, std::string_view wanted) {
  return {Errc::invalid_argument, fmt::format("{} must be {}", key, wanted)};
}

Status only(const Json& object, std::string_view where,
            std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return wrong(where, "a table");
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    std::vector<std::string> names(known.begin(), known.end());
    return Error{Errc::invalid_argument, fmt::format("{}: \"{}\" is not known; known are {}", where,
                                                     item.key(), join(names, ", "))};
  }
  return {};
}

Result<seconds> duration_of(const Json& value, std::string_view key) {
  const auto text = value.is_string() ? value.get<std::string>() : std::string();
  const auto parsed = config::parse_duration(text);
  if (!parsed || parsed->count() < 0 || *parsed > kLongest)
    return wrong(key, "a time such as \"90s\", \"15m\", \"24h\" or \"7d\"");
  return std::chrono::duration_cast<seconds>(*parsed);
}

Result<seconds> duration_in(const Json& object, const char* name, std::string_view where,
                            seconds fallback) {
  const auto found = object.find(name);
  if (found == object.end()) return fallback;
  return duration_of(*found, fmt::format("{}.{}", where, name));
}

Result<int> count_in(const Json& object, const char* name, std::string_view where, int fallback,
                     int low, int high) {
  const auto found = object.find(name);
  if (found == object.end()) return fallback;
  if (!found->is_number_integer() || *found < low || *found > high)
    return wrong(fmt::format("{}.{}", where, name), fmt::format("{} to {}", low, high));
  return found->get<int>();
}

Result<double> percent_in(const Json& object, const char* name, std::string_view where,
                          double fallback) {
  const auto found = object.find(name);
  if (found == object.end()) return fallback;
  if (!found->is_number() || *found < 0 || *found > 100)
    return wrong(fmt::format("{}.{}", where, name), "0 to 100");
  return found->get<double>();
}

Result<Spans> spans_of(const Json& value, std::string_view key) {
  if (!value.is_array() || value.size() > kMaxSpansOfADay)
    return wrong(key, "an array of spans such as [\"09:00-21:00\"]");
  Spans out;
  for (const auto& item : value) {
    if (!item.is_string()) return wrong(key, "an array of spans such as [\"09:00-21:00\"]");
    CALL_TRY(const auto span, parse_span(item.get<std::string>()).with_context(key));
    out.push_back(span);
  }
  std::sort(out.begin(), out.end(), [](const Span& a, const Span& b) { return a.from < b.from; });
  return out;
}

/// "mon" or "mon-fri", as indexes.
Result<std::pair<std::size_t, std::size_t>> days_of(std::string_view text) {
  const auto index = [](std::string_view name) {
    return static_cast<std::size_t>(std::find(kDays.begin(), kDays.end(), name) - kDays.begin());
  };
  const auto dash = text.find('-');
  const auto first = index(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : index(text.substr(dash + 1));
  if (first < kDays.size() && last < kDays.size() && first <= last) return std::pair(first, last);
  return Error{Errc::invalid_argument,
               fmt::format("hours: \"{}\" is neither a day (mon, tue, wed, thu, fri, sat, sun) nor "
                           "a range in that order such as mon-fri",
                           text)};
}

Status read_week(const Json& object, Hours& hours) {
  if (!object.is_object()) return wrong("hours", "a table of days");
  for (const auto& item : object.items()) {
    CALL_TRY(const auto range, days_of(item.key()));
    CALL_TRY(const auto spans, spans_of(item.value(), "hours." + item.key()));
    for (auto i = range.first; i <= range.second; ++i) {
      if (!hours.week.at(i).empty())
        return Error{Errc::invalid_argument, fmt::format("hours: {} is given twice", kDays.at(i))};
      hours.week.at(i) = spans;
    }
  }
  return {};
}

Status read_holiday(const std::string& date, const Json& value, Hours& hours) {
  const auto key = fmt::format("holidays.\"{}\"", date);
  Holiday holiday;
  if (value.is_string()) {
    holiday.name = value.get<std::string>();
  } else {
    CALL_CHECK(only(value, key, {"name", "hours"}));
    CALL_TRY(holiday.name, json::get_string(value, "name").with_context(key));
    CALL_TRY(holiday.open, spans_of(value.value("hours", Json::array()), key + ".hours"));
  }
  const auto parts = split(date, '-');
  std::vector<unsigned> numbers;
  for (const auto part : parts) {
    const auto number = parse_number<unsigned>(part);
    if (number && part.size() == (numbers.empty() && parts.size() == 3 ? 4U : 2U))
      numbers.push_back(*number);
  }
  if (numbers.size() == 3 && parts.size() == 3) {
    const year_month_day whole{year{static_cast<int>(numbers[0])}, month{numbers[1]},
                               day{numbers[2]}};
    if (whole.ok()) return hours.holidays.emplace(whole, std::move(holiday)), Status();
  }
  if (numbers.size() == 2 && parts.size() == 2) {
    const month_day yearly{month{numbers[0]}, day{numbers[1]}};
    if (yearly.ok()) return hours.yearly.emplace(yearly, std::move(holiday)), Status();
  }
  return wrong(key, "a date: \"2026-12-25\", or \"12-25\" for every year");
}

Status read_holidays(const Json& object, Hours& hours) {
  if (!object.is_object() || object.size() > kMaxHolidays)
    return wrong("holidays", "a table of at most 1000 dates");
  for (const auto& item : object.items()) {
    CALL_CHECK(read_holiday(item.key(), item.value(), hours));
  }
  return {};
}

Status read_attempts(const Json& object, Policy& policy) {
  constexpr auto kWhere = "attempts";
  CALL_CHECK(only(object, kWhere, {"per_number", "after_conversation", "after_abandoned"}));
  const auto caps = object.value("per_number", Json::array());
  if (!caps.is_array() || caps.size() > kMaxCaps)
    return wrong("attempts.per_number", "an array of tables { calls = 3, within = \"24h\" }");
  for (const auto& item : caps) {
    CALL_CHECK(only(item, "attempts.per_number", {"calls", "within"}));
    if (!item.contains("calls") || !item.contains("within"))
      return wrong("attempts.per_number", "an array of tables { calls = 3, within = \"24h\" }");
    Cap cap;
    CALL_TRY(cap.calls, count_in(item, "calls", "attempts.per_number", 1, 1, 1000));
    CALL_TRY(cap.within, duration_of(item.at("within"), "attempts.per_number.within"));
    policy.caps.push_back(cap);
  }
  CALL_TRY(policy.after_conversation,
           duration_in(object, "after_conversation", kWhere, seconds(0)));
  CALL_TRY(policy.after_abandoned, duration_in(object, "after_abandoned", kWhere, seconds(0)));
  return {};
}

Status read_retry(const Json& object, Policy& policy) {
  CALL_CHECK(only(object, "retry", {"busy", "no_answer", "failed", "machine"}));
  for (const auto& item : object.items()) {
    const auto where = "retry." + item.key();
    CALL_CHECK(only(item.value(), where, {"after", "max_attempts"}));
    Retry retry;
    const auto steps = item.value().value("after", Json::array());
    if (!steps.is_array() || steps.size() > kMaxRetrySteps)
      return wrong(where + ".after", "an array of times such as [\"5m\", \"1h\"]");
    for (const auto& step : steps) {
      CALL_TRY(const auto pause, duration_of(step, where + ".after"));
      retry.after.push_back(pause);
    }
    if (item.value().contains("max_attempts")) {
      CALL_TRY(retry.max_attempts, count_in(item.value(), "max_attempts", where, 1, 1, 20));
    }
    policy.retry.emplace(item.key(), std::move(retry));
  }
  return {};
}

Status read_guards(const Json& document, Policy& policy) {
  if (const auto* ring = json::find(document, "ring")) {
    CALL_CHECK(only(*ring, "ring", {"at_least"}));
    CALL_TRY(policy.ring_at_least, duration_in(*ring, "at_least", "ring", policy.ring_at_least));
    if (policy.ring_at_least > seconds(600)) return wrong("ring.at_least", "at most \"600s\"");
  }
  if (const auto* breaker = json::find(document, "breaker")) {
    CALL_CHECK(only(*breaker, "breaker", {"failed_percent", "within", "least_calls"}));
    Breaker out;
    CALL_TRY(out.failed_percent,
             percent_in(*breaker, "failed_percent", "breaker", out.failed_percent));
    CALL_TRY(out.within, duration_in(*breaker, "within", "breaker", out.within));
    CALL_TRY(out.least_calls,
             count_in(*breaker, "least_calls", "breaker", out.least_calls, 1, 100'000));
    policy.breaker = out;
  }
  if (const auto* abandoned = json::find(document, "abandoned")) {
    CALL_CHECK(only(*abandoned, "abandoned", {"at_most_percent", "over", "least_calls"}));
    AbandonLimit out;
    CALL_TRY(out.at_most_percent,
             percent_in(*abandoned, "at_most_percent", "abandoned", out.at_most_percent));
    CALL_TRY(const auto over, duration_in(*abandoned, "over", "abandoned", out.over));
    out.over = std::chrono::ceil<std::chrono::hours>(over);
    CALL_TRY(out.least_calls,
             count_in(*abandoned, "least_calls", "abandoned", out.least_calls, 1, 1'000'000));
    policy.abandoned = out;
  }
  if (const auto* registry = json::find(document, "registry")) {
    CALL_CHECK(only(*registry, "registry", {"name", "at_most_old"}));
    RegistryRule out;
    CALL_TRY(out.name, json::get_string(*registry, "name").with_context("registry"));
    CALL_TRY(out.at_most_old, duration_in(*registry, "at_most_old", "registry", seconds(0)));
    if (out.name.empty() || out.at_most_old.count() == 0)
      return wrong("registry", "{ name = \"us-ftc\", at_most_old = \"31d\" }");
    policy.registry = std::move(out);
  }
  return {};
}

Result<Policy> policy_of(const Json& document) {
  CALL_CHECK(only(document, "a policy",
                  {"description", "hours", "holidays", "attempts", "retry", "ring", "breaker",
                   "abandoned", "registry"}));
  Policy policy;
  CALL_TRY(policy.description, json::get_string_or(document, "description", ""));
  if (const auto* week = json::find(document, "hours")) {
    policy.hours.emplace();
    CALL_CHECK(read_week(*week, *policy.hours));
  }
  if (const auto* holidays = json::find(document, "holidays")) {
    if (!policy.hours)
      return Error{Errc::invalid_argument, "holidays without hours: say when calls are allowed"};
    CALL_CHECK(read_holidays(*holidays, *policy.hours));
  }
  if (const auto* attempts = json::find(document, "attempts"))
    CALL_CHECK(read_attempts(*attempts, policy));
  if (const auto* retry = json::find(document, "retry")) CALL_CHECK(read_retry(*retry, policy));
  CALL_CHECK(read_guards(document, policy));
  return policy;
}

}  // namespace

seconds Policy::memory() const {
  auto longest = std::max(after_conversation, after_abandoned);
  for (const auto& cap : caps) longest = std::max(longest, cap.within);
  return longest;
}

Result<Policy> parse_policy(std::string_view json) {
  CALL_TRY(const auto document, json::parse(json, {}, "the policy"));
  return policy_of(document);
}

Result<std::string> policy_from_toml(std::string_view toml, std::string_view file) {
  CALL_TRY(const auto document, config::parse_toml_to_json(toml, file));
  CALL_CHECK(policy_of(document).with_context(file));
  return json::dump(document);
}

const Preset* find_preset(std::string_view name) {
  const auto& all = presets();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Preset& p) { return p.name == name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace call::policy
