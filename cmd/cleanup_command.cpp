// callctl cleanup: putting right what a dead process left behind, and the journal of it.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/list_json.hpp"
#include "cmd/tables.hpp"
#include "cmd/text_width.hpp"
#include "core/dialer/registrations.hpp"
#include "core/dialer/relay.hpp"
#include "core/store/cleanup.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct NoOptions {};

struct JournalOptions {
  Limit limit{20};
};

struct RunOptions {
  bool dry_run = false;
};

struct PassOptions {
  std::int64_t id = 0;
};

json to_json(const std::vector<store::CleanupAction>& actions) {
  json rows = json::array();
  for (const auto& action : actions) {
    rows.push_back({{"kind", action.kind},
                    {"list", action.list_id ? json(*action.list_id) : json()},
                    {"subject", action.subject},
                    {"detail", action.detail}});
  }
  return rows;
}

Result<store::CleanupOptions> cleanup_options(Session& session) {
  CALL_TRY(const auto* config, session.configuration());
  store::CleanupOptions options;
  options.unknown_deadline =
      std::chrono::duration_cast<std::chrono::seconds>(config->dialer.unknown_deadline);
  options.retention = {
      std::chrono::duration_cast<std::chrono::seconds>(config->retention.recordings),
      std::chrono::duration_cast<std::chrono::seconds>(config->retention.personal_data)};
  return options;
}

Result<Exit> plan(Session& session, const NoOptions&) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto options, cleanup_options(session));
  CALL_TRY(auto pass, store::cleanup_plan(*connection, options));
  auto redis = session.redis();
  if (redis) {
    CALL_TRY(const auto orphans,
             dialer::orphaned_workers(**redis, dialer::Orphans::find, service_deadline()));
    pass.found.insert(pass.found.end(), orphans.begin(), orphans.end());
  } else {
    session.warn("RQ's registrations were not looked at: {}", redis.error().context);
  }
  session.say("{} thing(s) found; nothing was changed", pass.found.size());
  CALL_CHECK(session.show(table("cleanup plan"), to_json(pass.found)));
  return kDone;
}

Result<Exit> run(Session& session, const RunOptions& wanted) {
  if (wanted.dry_run) return plan(session, {});
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(auto options, cleanup_options(session));
  auto redis = session.redis();
  if (redis) {
    CALL_TRY(options.found_elsewhere,
             dialer::orphaned_workers(**redis, dialer::Orphans::remove, service_deadline()));
    options.done_elsewhere = options.found_elsewhere;
  } else {
    session.warn("RQ's registrations and waiting jobs are left as they are: {}",
                 redis.error().context);
  }
  CALL_TRY(const auto pass, store::cleanup_run(*connection, options));
  std::size_t relayed = 0;
  if (redis) {
    CALL_TRY(auto* queue, session.queue());
    CALL_TRY(relayed, dialer::relay_outbox(*connection, *queue, 0, service_deadline()));
  }
  session.say("pass {}: found {}, put right {}; {} waiting job(s) enqueued", pass.id,
              pass.found.size(), pass.done.size(), relayed);
  CALL_CHECK(session.show(table("cleanup plan"), to_json(pass.done)));
  return kDone;
}

Result<Exit> replay(Session& session, const PassOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto pass, store::cleanup_replay(*connection, options.id, "callctl"));
  session.say("pass {}: of {} thing(s) that pass {} did, {} had to be done again", pass.id,
              pass.found.size(), options.id, pass.done.size());
  CALL_CHECK(session.show(table("cleanup plan"), to_json(pass.done)));
  return kDone;
}

Result<Exit> list_passes(Session& session, const JournalOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto passes, store::cleanup_passes(*connection, options.limit.wanted()));
  json rows = json::array();
  for (const auto& pass : passes) {
    rows.push_back({{"id", pass.id},
                    {"source", pass.source},
                    {"started_at", to_rfc3339(pass.started_at)},
                    {"finished_at", time_or_null(pass.finished_at)},
                    {"found", pass.found.size()},
                    {"done", pass.done.size()}});
  }
  CALL_CHECK(session.show_some(table("cleanup ls"), std::move(rows), options.limit));
  return kDone;
}

Result<Exit> show_pass(Session& session, const PassOptions& options) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto pass, store::cleanup_pass(*connection, options.id));
  if (session.format() == Format::table) {
    CALL_CHECK(print(fmt::format("pass {} by {}, {}\nbefore  {}\nafter   {}\n", pass.id,
                                 pass.source, to_rfc3339(pass.started_at),
                                 printable(pass.before_json), printable(pass.after_json))));
    CALL_CHECK(session.show(table("cleanup plan"), to_json(pass.found)));
    return kDone;
  }
  CALL_CHECK(session.show_one({{"id", "id"}, {"source", "source"}, {"started_at", "started_at"}},
                              {{"id", pass.id},
                               {"source", pass.source},
                               {"started_at", to_rfc3339(pass.started_at)},
                               {"finished_at", time_or_null(pass.finished_at)},
                               {"before", json::parse(pass.before_json, nullptr, false)},
                               {"after", json::parse(pass.after_json, nullptr, false)},
                               {"found", to_json(pass.found)},
                               {"done", to_json(pass.done)}}));
  return kDone;
}

}  // namespace

void add_cleanup_commands(CLI::App& app, Session& session) {
  const auto nothing = [](CLI::App&, NoOptions&) {};
  auto* cleanup = add_group(app, "cleanup", "Put right what a dead process left behind");
  add_command<NoOptions>(*cleanup, session, "plan", "Show what a pass would do; change nothing",
                         nothing, plan);
  add_command<RunOptions>(
      *cleanup, session, "run", "Run one pass; it is journaled and harmless to live drivers",
      [](CLI::App& command, RunOptions& options) {
        command.add_flag("--dry-run", options.dry_run, "Show what it would do, as plan does");
      },
      run);
  add_command<JournalOptions>(
      *cleanup, session, "ls", "The journal, newest first",
      [](CLI::App& command, JournalOptions& options) { declare_limit(command, options.limit); },
      list_passes);
  const auto pass = [](CLI::App& command, PassOptions& options) {
    command.add_option("pass", options.id, "Number")->required()->type_name("PASS");
  };
  add_command<PassOptions>(*cleanup, session, "show", "One pass of the journal", pass, show_pass);
  add_command<PassOptions>(*cleanup, session, "replay",
                           "Do again what a pass did, where it is still to be done", pass, replay);
}

}  // namespace call::cmd
