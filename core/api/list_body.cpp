#include "core/api/list_body.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <unordered_map>
#include <utility>

#include "core/base/strings.hpp"
#include "core/contacts/contacts.hpp"
#include "core/contacts/phone.hpp"
#include "core/dialer/call_plan.hpp"
#include "core/json/json.hpp"
#include "core/policy/zone.hpp"

namespace call::api {
namespace {

using std::chrono::seconds;

constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxIdempotencyKey = 200;
constexpr std::size_t kRowsShown = 1000;
constexpr std::array<std::string_view, 17> kSettings{
    "name",         "agent",         "from",   "caller_pool", "region",          "concurrency",
    "amd",          "on_machine",    "policy", "priority",    "ring_timeout_s",  "time_limit_s",
    "max_attempts", "retry_after_s", "strict", "unique",      "calls_per_second"};

bool is_csv(const net::HttpRequest& request) {
  return to_lower_ascii(request.headers.get("Content-Type")).starts_with("text/csv");
}

/// The query of a CSV request as the object that JSON would have been.
Json query_as_json(const net::Params& query) {
  Json object = Json::object();
  for (const auto& [name, value] : query) {
    const auto number = parse_number<double>(value);
    const auto whole = parse_number<std::int64_t>(value);
    const bool is_text = name == "name" || name == "from" || name == "agent" || name == "policy" ||
                         name == "caller_pool";
    if (!is_text && whole) {
      object[name] = *whole;
    } else if (!is_text && number) {
      object[name] = *number;
    } else if (value == "true" || value == "false") {
      object[name] = value == "true";
    } else {
      object[name] = value;
    }
  }
  return object;
}

Status check_keys(const Json& object, bool with_settings) {
  for (const auto& item : object.items()) {
    const bool setting =
        std::find(kSettings.begin(), kSettings.end(), item.key()) != kSettings.end();
    const bool always = item.key() == "entries" || item.key() == "region" ||
                        item.key() == "strict" || item.key() == "unique";
    if (always || (with_settings && setting)) continue;
    return Error{Errc::invalid_argument, fmt::format("\"{}\" is not known here", item.key())};
  }
  return {};
}

Result<std::string> region_of(const Json& object, const std::string& default_region) {
  CALL_TRY(auto region, json::get_string_or(object, "region", default_region));
  if (!region.empty() && !contacts::is_known_region(region))
    return Error{Errc::invalid_argument,
                 fmt::format("region \"{}\" is none; two letters are wanted, e.g. US", region)};
  return region;
}

Result<int> get_small(const Json& object, std::string_view key, std::int64_t fallback) {
  CALL_TRY(const auto value, json::get_int_or(object, key, fallback));
  if (value < 0 || value > 1'000'000)
    return Error{Errc::invalid_argument, fmt::format("{} is out of its limits", key)};
  return static_cast<int>(value);
}

Result<store::Unique> unique_of(const Json& object) {
  CALL_TRY(const auto text, json::get_string_or(object, "unique", "list"));
  const auto unique = store::parse_unique(text);
  if (unique) return *unique;
  return Error{Errc::invalid_argument, "unique must be \"list\", \"open\" or \"tenant\""};
}

Result<store::NewList> list_of(const Json& object, const net::HttpRequest& request,
                               const std::string& region) {
  store::NewList list;
  CALL_TRY(list.name, json::get_string(object, "name"));
  const auto key = request.headers.get("Idempotency-Key");
  if (key.size() > kMaxIdempotencyKey || !is_valid_utf8(key))
    return Error{Errc::invalid_argument, "Idempotency-Key: at most 200 bytes of UTF-8"};
  if (!key.empty()) list.idempotency_key = std::string(key);
  auto& settings = list.settings;
  CALL_TRY(settings.agent, json::get_string_or(object, "agent", settings.agent));
  CALL_TRY(settings.caller_pool, json::get_string_or(object, "caller_pool", ""));
  CALL_TRY(const auto from, settings.caller_pool.empty() ? json::get_string(object, "from")
                                                         : json::get_string_or(object, "from", ""));
  settings.from_number = contacts::to_e164(from, region).value_or(from);
  CALL_TRY(settings.policy, json::get_string_or(object, "policy", ""));
  CALL_TRY(const auto priority, json::get_int_or(object, "priority", 0));
  settings.priority = static_cast<int>(std::clamp<std::int64_t>(priority, -100, 100));
  CALL_TRY(settings.concurrency, get_small(object, "concurrency", settings.concurrency));
  CALL_TRY(settings.calls_per_second,
           json::get_number_or(object, "calls_per_second", settings.calls_per_second));
  CALL_TRY(const int ring, get_small(object, "ring_timeout_s", settings.ring_timeout.count()));
  CALL_TRY(const int limit, get_small(object, "time_limit_s", settings.time_limit.count()));
  CALL_TRY(const int retry, get_small(object, "retry_after_s", settings.retry_after.count()));
  CALL_TRY(settings.max_attempts, get_small(object, "max_attempts", settings.max_attempts));
  settings.ring_timeout = seconds(ring);
  settings.time_limit = seconds(limit);
  settings.retry_after = seconds(retry);
  CALL_TRY(const auto amd_text, json::get_string_or(object, "amd", "off"));
  const auto amd = store::parse_amd(amd_text);
  if (!amd) return Error{Errc::invalid_argument, "amd must be \"off\", \"async\" or \"sync\""};
  settings.amd = *amd;
  CALL_TRY(const auto machine_text, json::get_string_or(object, "on_machine", "hang_up"));
  const auto on_machine = store::parse_on_machine(machine_text);
  if (!on_machine)
    return Error{Errc::invalid_argument, "on_machine must be \"hang_up\" or \"talk\""};
  settings.on_machine = *on_machine;
  CALL_TRY(list.unique, unique_of(object));
  CALL_CHECK(store::check_settings(settings));
  return list;
}

void take(Entries& entries, store::NewEntry entry, std::string detail) {
  if (!entry.refused.empty())
    entries.refused.push_back({entry.seq, entry.phone_raw, entry.refused, std::move(detail)});
  entries.rows.push_back(std::move(entry));
}

Result<Entries> from_csv(std::string_view body, const std::string& region) {
  Entries entries;
  contacts::Reader reader(region, [&](contacts::Contact&& contact) -> Status {
    store::NewEntry entry;
    entry.seq = static_cast<std::int64_t>(contact.line);
    if (!contact.phone.empty()) entry.phone = contact.phone;
    entry.phone_raw = std::move(contact.phone_raw);
    entry.name = std::move(contact.name);
    entry.variables_json = json::dump(Json(contact.variables));
    entry.refused = contact.refused;
    entry.not_after = contact.not_after;
    entry.timezone = std::move(contact.timezone);
    entry.priority = contact.priority;
    take(entries, std::move(entry), std::move(contact.detail));
    return {};
  });
  CALL_CHECK(reader.feed(body));
  CALL_CHECK(reader.finish());
  return entries;
}

Result<std::string> variables_of(const Json& row) {
  CALL_TRY(const auto array_or_object, [&]() -> Result<Json> {
    if (json::find(row, "variables") == nullptr) return Json::object();
    return json::get_object(row, "variables");
  }());
  for (const auto& item : array_or_object.items()) {
    if (!item.value().is_string())
      return Error{Errc::invalid_argument,
                   fmt::format("variables.{} must be a string", item.key())};
  }
  return json::dump(array_or_object);
}

/// One object of the "entries" array: {"phone", "name"?, "variables"?, "not_after"?, "timezone"?,
/// "priority"?}.
Result<store::NewEntry> entry_of(const Json& row, std::int64_t seq, const std::string& region) {
  if (!row.is_object()) return Error{Errc::invalid_argument, "an object is wanted"};
  for (const auto& item : row.items()) {
    const auto& key = item.key();
    if (key != "phone" && key != "name" && key != "variables" && key != "not_after" &&
        key != "timezone" && key != "priority")
      return Error{Errc::invalid_argument, fmt::format("\"{}\" is not known here", key)};
  }
  store::NewEntry entry;
  entry.seq = seq;
  CALL_TRY(entry.phone_raw, json::get_string_or(row, "phone", ""));
  CALL_TRY(entry.name, json::get_string_or(row, "name", ""));
  CALL_TRY(entry.variables_json, variables_of(row));
  entry.phone = contacts::to_e164(entry.phone_raw, region);
  if (entry.phone_raw.empty()) {
    entry.refused = contacts::kMissingNumber;
  } else if (!entry.phone) {
    entry.refused = contacts::kInvalidNumber;
  }
  CALL_TRY(const auto not_after, json::get_string_or(row, "not_after", ""));
  if (!not_after.empty()) {
    entry.not_after = parse_rfc3339(not_after);
    if (!entry.not_after) entry.refused = contacts::kInvalidNotAfter;
  }
  CALL_TRY(const auto priority, json::get_int_or(row, "priority", 0));
  entry.priority = contacts::parse_priority(std::to_string(priority)).value_or(0);
  if (entry.priority != priority) entry.refused = contacts::kInvalidPriority;
  CALL_TRY(entry.timezone, json::get_string_or(row, "timezone", ""));
  if (!entry.timezone.empty() && !policy::find_zone(entry.timezone)) {
    entry.timezone.clear();
    entry.refused = contacts::kInvalidTimezone;
  }
  return entry;
}

Result<Entries> from_json(const Json& document, const std::string& region) {
  Entries entries;
  if (json::find(document, "entries") == nullptr) return entries;
  CALL_TRY(const auto rows, json::get_array(document, "entries"));
  std::unordered_map<std::string, std::int64_t> place_of_number;
  std::int64_t seq = 0;
  for (const auto& row : rows) {
    ++seq;
    CALL_TRY(auto entry, entry_of(row, seq, region).with_context(fmt::format("entry {}", seq)));
    std::string detail;
    if (entry.phone && entry.refused.empty()) {
      const auto [first, is_new] = place_of_number.emplace(*entry.phone, seq);
      if (!is_new) {
        entry.refused = contacts::kDuplicate;
        detail = fmt::format("the same number as entry {}", first->second);
      }
    }
    take(entries, std::move(entry), std::move(detail));
  }
  return entries;
}

struct Document {
  Json object;  ///< the settings, and for JSON the entries
  bool csv = false;
};

Result<Document> document_of(const Request& request) {
  if (is_csv(request.http)) return Document{query_as_json(request.query), true};
  const json::Limits limits{request.http.body.size() + 1, kMaxDepth};
  CALL_TRY(auto object, json::parse(request.http.body, limits, "the body"));
  if (!object.is_object())
    return Error{Errc::invalid_argument, "the body must be a JSON object (or text/csv)"};
  return Document{std::move(object), false};
}

Result<Entries> entries_of(const Request& request, const Document& document,
                           const std::string& region) {
  CALL_TRY(auto entries,
           document.csv ? from_csv(request.http.body, region) : from_json(document.object, region));
  CALL_TRY(entries.strict, json::get_bool_or(document.object, "strict", false));
  return entries;
}

}  // namespace

Json view(const std::vector<Refusal>& refusals) {
  Json rows = Json::array();
  for (const auto& refusal : refusals) {
    if (rows.size() == kRowsShown) break;
    rows.push_back({{"seq", refusal.seq},
                    {"phone", refusal.phone_raw},
                    {"reason", refusal.reason},
                    {"detail", refusal.detail}});
  }
  return rows;
}

std::vector<Curtailment> curtailments_of(const std::vector<store::NewEntry>& rows,
                                         const std::vector<Refusal>& refused,
                                         std::optional<std::int64_t> first_seq) {
  std::set<std::int64_t> uncalled;
  for (const auto& row : refused) uncalled.insert(row.seq);
  std::vector<Curtailment> out;
  std::int64_t place = first_seq.value_or(0);
  for (const auto& row : rows) {
    const auto seq = first_seq ? place++ : row.seq;
    if (uncalled.contains(seq)) continue;
    auto missing = dialer::left_out(row.name, row.variables_json);
    if (!missing.empty()) out.push_back({seq, std::move(missing)});
  }
  return out;
}

Json view(const std::vector<Curtailment>& curtailments) {
  Json rows = Json::array();
  for (const auto& row : curtailments) {
    if (rows.size() == kRowsShown) break;
    rows.push_back({{"seq", row.seq}, {"left_out", row.left_out}});
  }
  return rows;
}

Error strict_error(const std::vector<Refusal>& refusals) {
  const auto& first = refusals.front();
  return {Errc::invalid_argument,
          fmt::format("strict: {} row(s) refused, the first is {} ({}); nothing was written",
                      refusals.size(), first.seq, first.reason)};
}

Result<ListBody> parse_list_body(const Request& request, const std::string& default_region) {
  CALL_TRY(const auto document, document_of(request));
  CALL_CHECK(check_keys(document.object, true));
  CALL_TRY(const auto region, region_of(document.object, default_region));
  ListBody body;
  CALL_TRY(body.list, list_of(document.object, request.http, region));
  CALL_TRY(body.entries, entries_of(request, document, region));
  if (body.entries.strict && !body.entries.refused.empty())
    return strict_error(body.entries.refused);
  return body;
}

Result<EntriesBody> parse_entries_body(const Request& request, const std::string& default_region) {
  CALL_TRY(const auto document, document_of(request));
  CALL_CHECK(check_keys(document.object, false));
  CALL_TRY(const auto region, region_of(document.object, default_region));
  EntriesBody body;
  CALL_TRY(body.unique, unique_of(document.object));
  CALL_TRY(body.entries, entries_of(request, document, region));
  return body;
}

}  // namespace call::api
