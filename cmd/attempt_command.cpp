// callctl attempt: tries to reach an entry, and the operator's word on those whose fate is unknown.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"
#include "core/base/strings.hpp"
#include "core/store/entries.hpp"
#include "core/store/reconcile.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct ListOptions {
  std::string list;
  std::string state;
  Limit limit{1000};
};

struct ShowOptions {
  std::string id;
};

struct ResolveOptions {
  std::string id;
  std::string as;
  std::string confirm;
};

json to_json(const store::Attempt& attempt, const Session& session) {
  return {{"id", attempt.id},
          {"list", attempt.list_id},
          {"entry", attempt.entry_id},
          {"n", attempt.n},
          {"state", store::to_string(attempt.state)},
          {"to", session.number(attempt.to_number)},
          {"from", session.number(attempt.from_number)},
          {"call_sid", attempt.call_sid.empty() ? json() : json(attempt.call_sid)},
          {"status", attempt.status ? json(store::to_string(*attempt.status)) : json()},
          {"answered_by", attempt.answered_by.empty() ? json() : json(attempt.answered_by)},
          {"carrier_error", attempt.error_code.empty() ? json() : json(attempt.error_code)},
          {"message", attempt.error_message.empty() ? json() : json(attempt.error_message)},
          {"duration_s", attempt.duration_s ? json(*attempt.duration_s) : json()},
          {"created_at", to_rfc3339(attempt.created_at)},
          {"sent_at", time_or_null(attempt.sent_at)},
          {"answered_at", time_or_null(attempt.answered_at)},
          {"ended_at", time_or_null(attempt.ended_at)}};
}

std::string states() {
  std::vector<std::string> out;
  for (auto i = 0; i <= static_cast<int>(store::AttemptState::ended); ++i)
    out.emplace_back(store::to_string(static_cast<store::AttemptState>(i)));
  return join(out, ", ");
}

Result<Exit> list_attempts(Session& session, const ListOptions& options) {
  std::optional<store::AttemptState> state;
  if (!options.state.empty()) {
    state = store::parse_attempt_state(options.state);
    if (!state)
      return Error{Errc::invalid_argument,
                   fmt::format("'{}' is no state of an attempt: {}", options.state, states())};
  }
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  std::optional<std::int64_t> list_id;
  if (!options.list.empty()) {
    CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
    list_id = list.id;
  }
  CALL_TRY(const auto attempts,
           store::attempts(*connection, tenant.id, list_id, state, options.limit.wanted()));
  json rows = json::array();
  for (const auto& attempt : attempts) rows.push_back(to_json(attempt, session));
  CALL_CHECK(session.show_some(table("attempt ls"), std::move(rows), options.limit));
  return kDone;
}

Result<Exit> show_attempt(Session& session, const ShowOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto attempt, store::find_attempt(*connection, tenant.id, options.id));
  CALL_TRY(const auto events, store::events_of_attempt(*connection, tenant.id, attempt.id));
  json rows = json::array();
  for (const auto& event : events) {
    const auto params = json::parse(event.params_json, nullptr, false);
    rows.push_back(
        {{"received_at", to_rfc3339(event.received_at, 3)},
         {"kind", event.kind},
         {"sequence", event.sequence ? json(*event.sequence) : json()},
         {"status", params.is_object() ? params.value("CallStatus", std::string()) : std::string()},
         {"call_sid", event.call_sid}});
  }
  json object = to_json(attempt, session);
  object["events"] = rows;
  CALL_CHECK(session.show_one(table("attempt show"), object));
  if (session.format() == Format::table) {
    CALL_CHECK(print("\n"));
    CALL_CHECK(session.show(table("attempt show events"), rows));
  }
  return kDone;
}

Result<Exit> resolve(Session& session, const ResolveOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  const auto resolution =
      options.as == "redial" ? store::Resolution::redial : store::Resolution::give_up;
  if (resolution == store::Resolution::redial) {
    CALL_TRY(const auto attempt, store::find_attempt(*connection, tenant.id, options.id));
    CALL_CHECK(confirm(session, "call a person again who may still be in the first call: redial",
                       attempt.id, options.confirm));
  }
  CALL_CHECK(store::resolve_attempt(*connection, tenant.id, options.id, resolution));
  session.say("attempt {}: {}", options.id, options.as);
  CALL_CHECK(session.show_done({{"id", options.id}, {"as", options.as}}));
  return kDone;
}

}  // namespace

void add_attempt_commands(CLI::App& app, Session& session) {
  auto* attempt = add_group(app, "attempt", "Tries to reach an entry");
  add_command<ListOptions>(
      *attempt, session, "ls", "Attempts, newest first",
      [](CLI::App& command, ListOptions& options) {
        command.add_option("--list", options.list, "Only of this list")->type_name("LIST");
        command.add_option("--state", options.state, "Only in this state, e.g. unknown")
            ->type_name("STATE");
        declare_limit(command, options.limit);
      },
      list_attempts);
  add_command<ShowOptions>(
      *attempt, session, "show", "One attempt and every event received for it",
      [](CLI::App& command, ShowOptions& options) {
        command.add_option("attempt", options.id, "Attempt id or call SID")
            ->required()
            ->type_name("ATTEMPT");
      },
      show_attempt);
  add_command<ResolveOptions>(
      *attempt, session, "resolve", "Decide about an attempt whose fate nobody knows",
      [](CLI::App& command, ResolveOptions& options) {
        command.add_option("attempt", options.id, "Attempt id")->required()->type_name("ATTEMPT");
        command.add_option("--as", options.as, "give-up, or redial: you vouch that no call is up")
            ->required()
            ->check(CLI::IsMember({"give-up", "redial"}))
            ->type_name("give-up|redial");
        command
            .add_option("--confirm", options.confirm,
                        "The attempt's id again, instead of asking about a redial")
            ->type_name("ATTEMPT");
      },
      resolve);
}

}  // namespace call::cmd
