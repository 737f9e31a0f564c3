#include "core/policy/decide.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/base/clock.hpp"
#include "core/base/strings.hpp"
#include "core/policy/number_zones.hpp"

namespace call::policy {
namespace {

using std::chrono::seconds;

constexpr seconds kAskAgain{300};  // for what an operator must mend

std::string when(UtcTime time) {
  return to_rfc3339(WallTime(time));
}

std::string span_text(seconds span) {
  const auto n = span.count();
  if (n % 86400 == 0) return fmt::format("{} d", n / 86400);
  if (n % 3600 == 0) return fmt::format("{} h", n / 3600);
  if (n % 60 == 0) return fmt::format("{} min", n / 60);
  return fmt::format("{} s", n);
}

std::string clock_text(LocalTime time) {
  constexpr std::array<std::string_view, 7> kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const auto minute = std::chrono::floor<std::chrono::minutes>(time - day).count();
  return fmt::format("{} {:02}:{:02}", kDays.at(std::chrono::weekday(day).iso_encoding() - 1),
                     minute / 60, minute % 60);
}

Check no(std::string_view name, Verdict verdict, std::string_view reason, std::string detail,
         std::optional<UtcTime> until = {}) {
  return {name, verdict, reason, std::move(detail), until};
}

struct Candidates {
  Zones zones;
  std::string_view source;  // why these
  std::optional<Check> problem;
};

Candidates candidates(const Facts& facts) {
  Candidates out;
  out.source = facts.zone.empty() ? "by the number" : "given for the callee";
  std::vector<std::string_view> names{facts.zone};
  if (facts.zone.empty()) names = zones_of_number(facts.number);
  for (const auto name : names) {
    auto zone = find_zone(name);
    if (zone) {
      out.zones.push_back(*std::move(zone));
      continue;
    }
    // A zone of our own table that is missing here is this machine's fault, not the callee's.
    const bool never = zone.error().code == Errc::not_found && !facts.zone.empty();
    out.problem = never ? no("hours", Verdict::never, "zone_unknown", zone.error().context)
                        : no("hours", Verdict::wait, "zone_unavailable", zone.error().context,
                             facts.now + kAskAgain);
    return out;
  }
  if (out.zones.empty()) {
    out.problem = no("hours", Verdict::never, "zone_unknown",
                     "the number's time zone is not known: give the entry a timezone");
  }
  return out;
}

std::string places(const Zones& zones, UtcTime now, const Hours& hours) {
  constexpr std::size_t kShown = 4;
  std::vector<std::string> shown;
  for (const auto& zone : zones) {
    if (shown.size() == kShown) {
      shown.push_back(fmt::format("and {} more", zones.size() - kShown));
      break;
    }
    const auto* holiday = holiday_at(hours, *zone, now);
    shown.push_back(fmt::format("{} {}{}{}", clock_text(zone->local(now)), zone->name(),
                                is_open(hours, *zone, now) ? "" : " (closed)",
                                holiday ? ", " + holiday->name : ""));
  }
  return join(shown, "; ");
}

Check check_hours(const Hours& hours, const Facts& facts) {
  const auto place = candidates(facts);
  if (place.problem) return *place.problem;
  const auto now = fmt::format("{}, zone {}", places(place.zones, facts.now, hours), place.source);
  const auto opens = next_open(hours, place.zones, facts.now);
  if (!opens) {
    return no("hours", Verdict::never, "no_hours",
              now + ": the policy's hours never allow all of these at once");
  }
  if (*opens == facts.now) {
    return {"hours",
            Verdict::go,
            "",
            fmt::format("{}; open until {}", now, when(closes_at(hours, place.zones, facts.now))),
            {}};
  }
  const bool holiday = std::any_of(place.zones.begin(), place.zones.end(), [&](const auto& zone) {
    const auto* day = holiday_at(hours, *zone, facts.now);
    return day != nullptr && !is_open(hours, *zone, facts.now);
  });
  return no("hours", Verdict::wait, holiday ? "holiday" : "window",
            fmt::format("{}; opens {}", now, when(*opens)), opens);
}

Check check_cap(const Cap& cap, const Facts& facts) {
  std::vector<UtcTime> times;
  for (const auto& call : facts.calls) {
    if (call.at > facts.now - cap.within) times.push_back(call.at);
  }
  std::sort(times.begin(), times.end(), std::greater<>());
  const auto most = static_cast<std::size_t>(cap.calls);
  auto text = fmt::format("{} of {} calls within {}", times.size(), most, span_text(cap.within));
  if (times.size() < most) return {"attempts", Verdict::go, "", std::move(text), {}};
  return no("attempts", Verdict::wait, "cap", std::move(text), times[most - 1] + cap.within);
}

/// The newest of the calls that count, and the rest that must follow it.
Check check_rest(std::string_view name, seconds rest, const Facts& facts, bool PastCall::*counts) {
  std::optional<UtcTime> last;
  for (const auto& call : facts.calls) {
    if (call.*counts && (!last || call.at > *last)) last = call.at;
  }
  if (!last) return {name, Verdict::go, "", "none yet", {}};
  auto text = fmt::format("the last was {}, then {} of rest", when(*last), span_text(rest));
  if (*last + rest <= facts.now) return {name, Verdict::go, "", std::move(text), {}};
  return no(name, Verdict::wait, name, std::move(text), *last + rest);
}

Check check_registry(const RegistryRule& rule, const Facts& facts) {
  constexpr std::string_view kName = "registry";
  if (!facts.registry_read_at) {
    return no(
        kName, Verdict::wait, "registry_stale",
        fmt::format("the registry {0} was never imported (callctl dnc import --registry {0} FILE)",
                    rule.name),
        facts.now + kAskAgain);
  }
  auto text = fmt::format("the registry {} is of {}, at most {} old is allowed", rule.name,
                          when(*facts.registry_read_at), span_text(rule.at_most_old));
  if (*facts.registry_read_at + rule.at_most_old > facts.now)
    return {kName, Verdict::go, "", std::move(text), {}};
  return no(kName, Verdict::wait, "registry_stale", std::move(text), facts.now + kAskAgain);
}

}  // namespace

std::vector<Check> review(const Policy& policy, const Facts& facts) {
  std::vector<Check> out;
  if (facts.dnc.empty()) {
    out.push_back({"dnc", Verdict::go, "", "on no do-not-call list", {}});
  } else {
    out.push_back(no("dnc", Verdict::never, "dnc", "matches " + facts.dnc));
  }
  if (policy.registry) out.push_back(check_registry(*policy.registry, facts));
  if (policy.hours) out.push_back(check_hours(*policy.hours, facts));
  for (const auto& cap : policy.caps) out.push_back(check_cap(cap, facts));
  if (policy.after_conversation.count() > 0) {
    out.push_back(check_rest("after_conversation", policy.after_conversation, facts,
                             &PastCall::conversation));
  }
  if (policy.after_abandoned.count() > 0) {
    out.push_back(
        check_rest("after_abandoned", policy.after_abandoned, facts, &PastCall::abandoned));
  }
  return out;
}

Decision decide(const Policy& policy, const Facts& facts) {
  // What ends one wait may begin another (a cool-down that is over at night), so the question is asked
  // again at the end of the longest until the answer is go.
  constexpr int kRounds = 64;
  Decision first{Verdict::go, "", "", facts.now};
  Facts later = facts;
  for (int round = 0; round < kRounds; ++round) {
    const Check* longest = nullptr;
    const auto checks = review(policy, later);
    for (const auto& check : checks) {
      if (check.verdict == Verdict::never)
        return {Verdict::never, check.reason, check.detail, later.now};
      if (check.verdict == Verdict::wait && (longest == nullptr || *check.until > *longest->until))
        longest = &check;
    }
    if (longest == nullptr) break;
    if (round == 0) first = {Verdict::wait, longest->reason, longest->detail, facts.now};
    first.at = *longest->until;
    if (longest->reason == "registry_stale" || longest->reason == "zone_unavailable") break;
    later.now = *longest->until;
  }
  return first;
}

}  // namespace call::policy
