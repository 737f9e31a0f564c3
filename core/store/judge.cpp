#include "core/store/judge.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "core/json/json.hpp"
#include "core/store/attempt.hpp"

namespace call::store {
namespace {

using policy::UtcTime;
using std::chrono::ceil;
using std::chrono::floor;
using std::chrono::seconds;

using Calls = std::map<std::string, std::vector<policy::PastCall>, std::less<>>;

Calls calls_to(Txn& txn, std::int64_t tenant_id, const policy::Policy& policy,
               const std::vector<std::string>& numbers) {
  Calls out;
  const auto memory = policy.memory();
  if (memory.count() == 0) return out;
  const auto rows =
      query(txn,
            "SELECT a.to_number, unix_us(CASE WHEN person_answered(a) THEN greatest(a.sent_at, "
            "a.answered_at, a.ended_at) ELSE coalesce(a.sent_at, a.created_at) END) AS at, "
            "person_answered(a) AS conversation, was_left_silent(a) AS abandoned FROM attempts a "
            "WHERE a.tenant_id = $1 AND "
            "a.to_number IN (SELECT jsonb_array_elements_text($2)) AND a.state <> 'rejected' AND "
            "a.created_at > now() - $3 * interval '1 s' - interval '1 day'",
            {tenant_id, text_array(numbers), memory.count()});
  for (const auto& row : rows) {
    // Rounded up, so that no window ends a fraction of a second early.
    out[text(row, "to_number")].push_back(
        {ceil<seconds>(time(row, "at")), flag(row, "conversation"), flag(row, "abandoned")});
  }
  return out;
}

std::optional<UtcTime> registry_read_at(Txn& txn, std::int64_t tenant_id,
                                        const policy::Policy& policy) {
  if (!policy.registry) return std::nullopt;
  const auto row = query(txn,
                         "SELECT unix_us(max(read_at)) AS at FROM dnc_registries WHERE name = $1 "
                         "AND (tenant_id IS NULL OR tenant_id = $2)",
                         {policy.registry->name, tenant_id})[0];
  const auto at = optional_time(row, "at");
  return at ? std::optional(floor<seconds>(*at)) : std::nullopt;
}

}  // namespace

Result<policy::Policy> policy_of_row(const Row& row) {
  if (row["document"].is_null()) return policy::Policy();
  auto parsed = policy::parse_policy(text(row, "document"));
  if (parsed) return parsed;
  return Error{Errc::internal,
               "the policy " + text(row, "name") +
                   " cannot be read, so nothing is dialed: " + parsed.error().context};
}

Result<policy::Policy> policy_of_list(Txn& txn, std::int64_t list_id) {
  const auto row =
      query_row(txn,
                "SELECT p.name, p.document::text AS document FROM lists l JOIN tenants "
                "t ON t.id = l.tenant_id LEFT JOIN policies p ON p.id = coalesce("
                "l.policy_id, t.policy_id) WHERE l.id = $1",
                {list_id});
  return row ? policy_of_row(*row) : policy::Policy();
}

UtcTime clock_now(Txn& txn) {
  return floor<seconds>(time(query(txn, "SELECT unix_us(clock_timestamp()) AS now")[0], "now"));
}

std::vector<std::string> dnc_patterns_of(const std::string& number) {
  std::vector<std::string> out{number};
  for (std::size_t size = 2; size <= number.size(); ++size)
    out.push_back(number.substr(0, size) + "*");
  return out;
}

std::vector<std::string> dnc_matches(Txn& txn, std::int64_t tenant_id,
                                     const std::vector<std::string>& numbers) {
  std::vector<std::string> patterns;
  for (const auto& number : numbers) {
    for (auto& pattern : dnc_patterns_of(number)) patterns.push_back(std::move(pattern));
  }
  std::map<std::string, std::string, std::less<>> listed;
  const auto rows = query(txn,
                          "SELECT pattern, registry, tenant_id IS NULL AS everybody FROM dnc WHERE "
                          "pattern IN (SELECT jsonb_array_elements_text($1)) AND (tenant_id IS "
                          "NULL OR tenant_id = $2) ORDER BY id",
                          {text_array(patterns), tenant_id});
  for (const auto& row : rows) {
    const auto source = text(row, "registry");
    auto rule = text(row, "pattern") + " (" + (source.empty() ? "do-not-call list" : source) +
                (flag(row, "everybody") ? ", for all tenants)" : ")");
    listed.emplace(text(row, "pattern"), std::move(rule));
  }
  std::vector<std::string> out(numbers.size());
  if (listed.empty()) return out;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (const auto& pattern : dnc_patterns_of(numbers[i])) {
      const auto found = listed.find(pattern);
      if (found == listed.end()) continue;
      out[i] = found->second;
      break;
    }
  }
  return out;
}

std::vector<policy::Facts> facts_about(Txn& txn, std::int64_t tenant_id,
                                       const policy::Policy& policy, policy::UtcTime now,
                                       const std::vector<Candidate>& candidates) {
  std::vector<std::string> numbers;
  for (const auto& candidate : candidates) numbers.push_back(candidate.phone);
  const auto listed = dnc_matches(txn, tenant_id, numbers);
  const auto calls = calls_to(txn, tenant_id, policy, numbers);
  const auto registry = registry_read_at(txn, tenant_id, policy);
  std::vector<policy::Facts> out;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    policy::Facts facts{now, numbers[i], candidates[i].timezone, {}, listed[i], registry};
    if (const auto found = calls.find(numbers[i]); found != calls.end())
      facts.calls = found->second;
    out.push_back(std::move(facts));
  }
  return out;
}

void put_off(Txn& txn, std::int64_t entry_id, const policy::Decision& decision) {
  if (decision.verdict == policy::Verdict::never) {
    finish_entry(txn, entry_id, Outcome::refused, decision.reason, decision.detail);
    return;
  }
  query(txn,
        "UPDATE entries SET next_attempt_at = $2, reason = $3, detail = $4, updated_at = now() "
        "WHERE id = $1",
        {entry_id, WallTime(decision.at), decision.reason, decision.detail});
}

}  // namespace call::store
