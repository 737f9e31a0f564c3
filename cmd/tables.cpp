#include "cmd/tables.hpp"

#include <algorithm>
#include <iterator>

#include "core/base/assert.hpp"
#include "core/base/strings.hpp"

namespace call::cmd {
namespace {

constexpr auto kLeft = Align::left;
constexpr auto kRight = Align::right;

/// A column that is never cut, but goes when the terminal is narrow.
Column left(const char* key, const char* title, int drop = 0) {
  return {key, title, kLeft, Fit::whole, drop};
}
Column right(const char* key, const char* title, int drop = 0) {
  return {key, title, kRight, Fit::whole, drop};
}
Column cut(const char* key, const char* title, int drop = 0) {
  return {key, title, kLeft, Fit::cut, drop};
}
Column wrapped(const char* key, const char* title) {
  return {key, title, kLeft, Fit::wrap, 0};
}
/// Not for people's tables.
Column hidden(const char* key) {
  return {key, "", kLeft, Fit::whole, 0};
}

/// `keys` are the fields, in order, a blank between two; titles are their names, as scripts know them.
Table view(std::string_view name, std::string_view keys) {
  Table out{name, {}, true};
  for (const auto key : split(keys, ' '))
    out.columns.push_back({std::string(key), std::string(key)});
  return out;
}

Table lists() {
  return {
      "list ls",
      {right("id", "ID"), cut("name", "NAME"), left("state", "STATE"),
       right("entries", "ENTRIES", 4), right("pending", "PENDING", 3), right("active", "ACTIVE"),
       right("done", "DONE"), right("unknown_attempts", "UNKNOWN"), cut("agent", "AGENT", 2),
       left("created_at", "CREATED", 1), hidden("priority"), hidden("started_at"),
       hidden("finished_at"), hidden("reason"), hidden("abandoned_attempts")}};
}

Table entries() {
  return {"list entries",
          {right("id", "ID", 3),
           right("seq", "LINE"),
           left("phone", "PHONE"),
           cut("name", "NAME"),
           left("state", "STATE"),
           left("outcome", "OUTCOME"),
           cut("reason", "REASON", 5),
           right("attempts", "TRIES", 4),
           right("duration_s", "SECONDS", 2),
           left("answered_by", "ANSWERED BY", 1),
           hidden("priority"),
           hidden("timezone"),
           hidden("not_after"),
           hidden("from"),
           hidden("call_sid"),
           hidden("answered_at"),
           hidden("ended_at"),
           hidden("carrier_error"),
           hidden("message"),
           hidden("record")}};
}

Table calls() {
  return {"call ls",
          {left("call_sid", "CALL"), right("list", "LIST", 3), right("entry", "ENTRY", 2),
           cut("agent", "AGENT", 1), left("started_at", "STARTED", 5),
           right("duration_s", "SECONDS", 6), right("turns", "TURNS", 4),
           left("end_reason", "ENDED BY"), hidden("path")}};
}

Table attempts() {
  return {"attempt ls",
          {left("id", "ATTEMPT"), right("list", "LIST", 5), right("entry", "ENTRY", 3),
           right("n", "N", 2), left("state", "STATE"), left("to", "TO", 6),
           left("status", "STATUS"), left("carrier_error", "ERROR", 4), left("sent_at", "SENT", 1),
           hidden("call_sid"), hidden("ended_at")}};
}

Table attempt_events() {
  return {"attempt show events",
          {left("received_at", "RECEIVED"), left("kind", "EVENT"), right("sequence", "SEQ"),
           cut("status", "STATUS")}};
}

Table presets() {
  return {"policy presets", {left("name", "NAME"), wrapped("description", "DESCRIPTION")}};
}

Table policies() {
  return {"policy ls",
          {cut("name", "NAME"), left("default", "DEFAULT"), right("lists", "LISTS"),
           wrapped("description", "DESCRIPTION"), left("updated_at", "UPDATED", 1)}};
}

Table callers() {
  return {"caller ls",
          {cut("pool", "POOL"), left("number", "NUMBER"), right("open_calls", "IN CALLS"),
           right("concurrency", "AT MOST"), left("used_at", "LAST USED", 1)}};
}

Table dnc_rules() {
  return {"dnc ls",
          {left("pattern", "PATTERN"), left("scope", "FOR"), cut("registry", "REGISTRY"),
           cut("note", "NOTE"), left("created_at", "SINCE", 1)}};
}

Table tenants() {
  return {"tenant ls", {right("id", "ID"), cut("name", "NAME"), left("created_at", "CREATED")}};
}

Table tokens() {
  return {"token ls",
          {right("id", "ID"), cut("name", "NAME"), left("created_at", "CREATED", 1),
           left("revoked_at", "REVOKED")}};
}

Table queues() {
  return {"queue ls",
          {cut("name", "QUEUE"), right("queued", "QUEUED"), right("oldest_s", "OLDEST s"),
           right("started", "STARTED"), right("finished", "FINISHED", 2), right("failed", "FAILED"),
           right("deferred", "DEFERRED", 3), right("scheduled", "SCHEDULED", 4),
           right("canceled", "CANCELED", 1), right("workers", "WORKERS")}};
}

Table jobs() {
  return {"job ls",
          {left("id", "JOB"), left("status", "STATUS"), cut("queue", "QUEUE", 4),
           cut("function", "FUNCTION"), cut("args", "ARGS", 3), hidden("worker"),
           left("enqueued_at", "ENQUEUED", 2), hidden("started_at"), left("ended_at", "ENDED", 1),
           cut("reason", "REASON", 5)}};
}

Table failure_groups() {
  return {"queue show --by-reason",
          {right("jobs", "JOBS"), cut("function", "FUNCTION"), cut("reason", "REASON"),
           left("newest", "NEWEST", 1), left("newest_job", "FOR EXAMPLE", 2)}};
}

Table workers() {
  return {"worker ls",
          {cut("name", "WORKER"), left("state", "STATE"), cut("job", "JOB", 6),
           right("heartbeat_s", "BEAT s"), right("succeeded", "DONE", 4), right("failed", "FAILED"),
           cut("queues", "QUEUES", 5), cut("hostname", "HOST", 3), right("pid", "PID", 2),
           hidden("working_s"), left("version", "VERSION", 1), hidden("birth")}};
}

Table cleanup_actions() {
  return {"cleanup plan",
          {left("kind", "ACTION"), right("list", "LIST", 1), cut("subject", "SUBJECT"),
           wrapped("detail", "DETAIL")}};
}

Table cleanup_passes() {
  return {"cleanup ls",
          {right("id", "PASS"), left("source", "BY"), left("started_at", "STARTED"),
           left("finished_at", "FINISHED", 1), right("found", "FOUND"), right("done", "DONE")}};
}

Table migrations() {
  return {"db status",
          {right("number", "NUMBER"), cut("name", "NAME"), left("state", "STATE"),
           left("applied_at", "APPLIED", 1)}};
}

Table log_levels() {
  return {"log-level", {left("module", "MODULE"), left("level", "LEVEL")}};
}

Table findings() {
  return {"doctor",
          {left("check", "CHECK"), left("severity", "SEVERITY"), wrapped("detail", "DETAIL"),
           wrapped("repair", "TO MEND IT")}};
}

std::vector<Table> views() {
  return {
      view("list show",
           "id name tenant state reason agent from caller_pool policy tenant_policy priority "
           "concurrency calls_per_second ring_timeout_s time_limit_s max_attempts retry_after_s "
           "amd on_machine entries pending active done outcomes attempts unknown_attempts "
           "abandoned_attempts abandon_rate_24h abandon_rate_30d start_at created_at started_at "
           "finished_at"),
      view("list create", "id name state imported refused"),
      view("attempt show",
           "id list entry n state to from call_sid status answered_by carrier_error message "
           "duration_s created_at sent_at answered_at ended_at"),
      view("policy show", "name default lists updated_at document"),
      view("tenant show", "id name policy concurrency calls_per_second created_at"),
      view("job show",
           "id status queue description function args kwargs meta unreadable depends_on worker "
           "created_at enqueued_at started_at ended_at timeout_s retries_left result_ttl_s "
           "failure_ttl_s result error"),
  };
}

std::vector<Table> all_tables() {
  std::vector<Table> all = {lists(),          entries(),        calls(),      attempts(),
                            attempt_events(), presets(),        policies(),   callers(),
                            dnc_rules(),      tenants(),        tokens(),     queues(),
                            jobs(),           failure_groups(), workers(),    cleanup_actions(),
                            cleanup_passes(), migrations(),     log_levels(), findings()};
  std::ranges::move(views(), std::back_inserter(all));
  return all;
}

}  // namespace

std::span<const Table> tables() {
  static const auto all = all_tables();
  return all;
}

const std::vector<Column>& table(std::string_view name) {
  const auto found = std::ranges::find(tables(), name, &Table::name);
  CALL_ASSERT(found != tables().end());
  return found->columns;
}

}  // namespace call::cmd
