// callctl list: start, pause, cancel, change, look.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"
#include "core/store/hang_up.hpp"
#include "core/store/lists.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct ListsOptions {
  Limit limit{100};
};

struct ListOption {
  std::string list;
};

struct StartOptions {
  std::string list;
  std::string confirm;
  std::string at;
  bool dry_run = false;
};

struct SetOptions {
  std::string list;
  std::string policy;
  int concurrency = 0;
  int priority = 0;
  bool priority_given = false;
};

Result<Exit> list_lists(Session& session, const ListsOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto summaries,
           store::list_summaries(*connection, tenant.id, options.limit.wanted()));
  json rows = json::array();
  for (const auto& summary : summaries) rows.push_back(to_json(summary));
  CALL_CHECK(session.show_some(table("list ls"), std::move(rows), options.limit));
  return kDone;
}

Result<Exit> show_list(Session& session, const ListOption& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  CALL_CHECK(session.show_one(table("list show"), to_json(summary)));
  return kDone;
}

using Change = Result<store::ListChange> (*)(store::Connection&, std::int64_t, std::int64_t);

json done_json(const store::List& list, bool changed, std::optional<std::size_t> hung_up = {}) {
  return {{"id", list.id},
          {"name", list.name},
          {"state", store::to_string(list.state)},
          {"changed", changed},
          {"start_at", time_or_null(list.start_at)},
          {"hung_up", hung_up ? json(*hung_up) : json()}};
}

/// Ends the calls of a list that dials no further; how many.
Result<std::size_t> hang_up(Session& session, const store::List& list) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto jobs, store::hang_up_calls(*connection, tenant.id, list.id));
  session.push_jobs(jobs);
  session.say("list '{}': {} call(s) are being hung up", list.name, jobs.size());
  return jobs.size();
}

Result<store::ListChange> change(Session& session, const std::string& name,
                                 const std::string* confirmed, const char* verb, Change make) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, name));
  if (confirmed != nullptr) CALL_CHECK(confirm(session, verb, list.name, *confirmed));
  CALL_TRY(auto changed, make(*connection, tenant.id, list.id));
  session.push_jobs(changed.jobs);
  session.say("list '{}' {} {}", list.name, changed.changed ? "is now" : "was already",
              store::to_string(changed.list.state));
  return changed;
}

/// What cron starts again each time may be over already: that is no mistake, and nothing is dialed.
Result<Exit> start_now(Session& session, const StartOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  if (list.state == store::ListState::completed) {
    session.say("list '{}' was already completed", list.name);
    CALL_CHECK(session.show_done(done_json(list, false)));
    return kDone;
  }
  CALL_TRY(const auto changed,
           change(session, options.list, &options.confirm, "dial the list", store::start_list));
  CALL_CHECK(session.show_done(done_json(changed.list, changed.changed)));
  return kDone;
}

Result<Exit> resume(Session& session, const ListOption& options) {
  CALL_TRY(const auto changed,
           change(session, options.list, nullptr, "resume", store::resume_list));
  CALL_CHECK(session.show_done(done_json(changed.list, changed.changed)));
  return kDone;
}

/// How many would be called, and from when on; the policy's hours come on top.
Result<Exit> try_start(Session& session, const StartOptions& options,
                       const std::optional<WallTime>& at) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  CALL_TRY(const auto summary, store::list_summary(*connection, tenant.id, list.id));
  const auto waits = summary.counts.of(store::EntryState::pending) +
                     summary.counts.of(store::EntryState::retry_wait);
  const auto dials = store::can_start(list.state) ? waits : 0;
  const auto& policy = list.settings.policy.empty() ? list.tenant_policy : list.settings.policy;
  session.say("list '{}' ({}): {} would be called from {} on, {}", list.name,
              store::to_string(list.state), dials, at ? to_rfc3339(*at) : "now",
              policy.empty() ? "at any hour: no policy says otherwise"
                             : "at the hours of the policy '" + policy + "'");
  auto object = done_json(list, false);
  object["dry_run"] = true;
  object["would_dial"] = dials;
  CALL_CHECK(session.show_done(object));
  return kDone;
}

/// Now, or at the time of --at.
Result<Exit> start(Session& session, const StartOptions& options) {
  const auto at = parse_rfc3339(options.at);
  if (options.dry_run && (at || options.at.empty())) return try_start(session, options, at);
  if (options.at.empty()) return start_now(session, options);
  if (!at || *at < wall_now()) {
    return Error{Errc::invalid_argument,
                 fmt::format("--at '{}' is no time to come such as 2026-12-01T08:00:00Z (or with "
                             "an offset: 2026-12-01T10:00:00+02:00)",
                             options.at)};
  }
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  CALL_CHECK(confirm(session, "dial the list", list.name, options.confirm));
  CALL_TRY(const auto changed, store::schedule_list(*connection, tenant.id, list.id, *at));
  session.say("list '{}' is running and dials from {} on", list.name,
              to_rfc3339(*changed.list.start_at));
  CALL_CHECK(session.show_done(done_json(changed.list, changed.changed)));
  return kDone;
}

/// Changes take effect with the next call.
Result<Exit> set(Session& session, const SetOptions& options) {
  if (options.policy.empty() && options.concurrency == 0 && !options.priority_given) {
    return Error{Errc::invalid_argument,
                 "say what to change: --policy, --concurrency or --priority"};
  }
  store::ListUpdate update;
  if (options.concurrency > 0) update.concurrency = options.concurrency;
  if (options.priority_given) update.priority = options.priority;
  if (!options.policy.empty()) update.policy = options.policy == "none" ? "" : options.policy;
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  CALL_TRY(const auto list, store::find_list(*connection, tenant.id, options.list));
  CALL_CHECK(store::update_list(*connection, tenant.id, list.id, update));
  session.say("list '{}' changed", list.name);
  CALL_TRY(const auto now, store::find_list(*connection, tenant.id, options.list));
  CALL_CHECK(session.show_done({{"id", now.id},
                                {"name", now.name},
                                {"policy", now.settings.policy},
                                {"priority", now.settings.priority},
                                {"concurrency", now.settings.concurrency}}));
  return kDone;
}

void declare_list(CLI::App& command, std::string& list) {
  command.add_option("list", list, "Name or id")->required()->type_name("LIST");
}

struct StopOptions {
  std::string list;
  std::string confirm;
  bool hang_up = false;
};

void declare_stop(CLI::App& command, StopOptions& o) {
  declare_list(command, o.list);
  command.add_flag("--hang-up", o.hang_up, "End the calls in progress, too");
}

/// There is no way back from it.
void declare_cancel(CLI::App& command, StopOptions& o) {
  declare_stop(command, o);
  command.add_option("--confirm", o.confirm, "The list's name again, instead of asking")
      ->type_name("NAME");
}

/// `confirmed`: null when there is nothing to ask.
Result<Exit> stop(Session& session, const StopOptions& o, const std::string* confirmed,
                  const char* verb, Change make) {
  CALL_TRY(const auto changed, change(session, o.list, confirmed, verb, make));
  std::optional<std::size_t> hung_up;
  if (o.hang_up) {
    CALL_TRY(hung_up, hang_up(session, changed.list));
  }
  CALL_CHECK(session.show_done(done_json(changed.list, changed.changed, hung_up)));
  return kDone;
}

}  // namespace

void add_list_commands(CLI::App& app, Session& session) {
  auto* list = add_group(app, "list", "Lists of people to call");
  add_import_commands(*list, session);
  add_command<ListsOptions>(
      *list, session, "ls", "Lists, newest first",
      [](CLI::App& c, ListsOptions& o) { declare_limit(c, o.limit); }, list_lists);
  add_command<ListOption>(
      *list, session, "show", "One list: settings and counts",
      [](CLI::App& c, ListOption& o) { declare_list(c, o.list); }, show_list);
  add_command<StartOptions>(
      *list, session, "start", "Start dialing; asks for the name, or takes --confirm NAME",
      [](CLI::App& c, StartOptions& o) {
        declare_list(c, o.list);
        c.add_option("--confirm", o.confirm, "The list's name again, instead of asking")
            ->type_name("NAME");
        c.add_option("--at", o.at, "Dial from this time on, not before")->type_name("TIME");
        c.add_flag("--dry-run", o.dry_run, "Say how many would be called, and from when on");
      },
      start);
  add_command<SetOptions>(
      *list, session, "set", "Change how a list is called; takes effect with the next call",
      [](CLI::App& c, SetOptions& o) {
        declare_list(c, o.list);
        c.add_option("--policy", o.policy, "Policy to go by; none: the tenant's")
            ->type_name("POLICY");
        c.add_option("--concurrency", o.concurrency, "Calls at the same time")
            ->type_name("N")
            ->check(CLI::Range(1, 1000));
        c.add_option("--priority", o.priority, "-99 to 99")
            ->type_name("N")
            ->check(CLI::Range(-99, 99))
            ->each([&o](const std::string&) { o.priority_given = true; });
      },
      set);
  add_command<StopOptions>(*list, session, "pause", "Dial no further; calls in progress go on",
                           declare_stop, [](Session& s, const StopOptions& o) {
                             return stop(s, o, nullptr, "pause", store::pause_list);
                           });
  add_command<ListOption>(
      *list, session, "resume", "Go on with a paused list",
      [](CLI::App& c, ListOption& o) { declare_list(c, o.list); }, resume);
  add_command<StopOptions>(*list, session, "cancel",
                           "End a list for good; calls in progress finish", declare_cancel,
                           [](Session& s, const StopOptions& o) {
                             return stop(s, o, &o.confirm, "cancel the list", store::cancel_list);
                           });
  add_entry_commands(*list, session);
  add_explain_command(*list, session);
  add_watch_commands(*list, session);
}

}  // namespace call::cmd
