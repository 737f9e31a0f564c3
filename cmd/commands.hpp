// The command groups of callctl, one file each. Each adds its subcommands to the parser; the chosen one sets
// session.action.
#pragma once

namespace CLI {
class App;
}

namespace call::cmd {

class Session;

void add_list_commands(CLI::App& app, Session& session);
void add_import_commands(CLI::App& list, Session& session);  ///< below `list`: create, append
void add_explain_command(CLI::App& list, Session& session);  ///< below `list`
void add_dnc_commands(CLI::App& app, Session& session);
void add_policy_commands(CLI::App& app, Session& session);  ///< policy, caller
void add_entry_commands(CLI::App& list, Session& session);  ///< below `list`: entries, export
void add_watch_commands(CLI::App& list, Session& session);  ///< below `list`: watch, wait
void add_queue_commands(CLI::App& app, Session& session);
void add_job_commands(CLI::App& app, Session& session);
void add_worker_commands(CLI::App& app, Session& session);
void add_call_commands(CLI::App& app, Session& session);
void add_replay_command(CLI::App& call, Session& session);  ///< below `call`
void add_report_commands(CLI::App& app, Session& session);
void add_top_command(CLI::App& app, Session& session);
void add_attempt_commands(CLI::App& app, Session& session);
void add_cleanup_commands(CLI::App& app, Session& session);
void add_db_commands(CLI::App& app, Session& session);
void add_tenant_commands(CLI::App& app, Session& session);  ///< tenant, token
void add_log_level_command(CLI::App& app, Session& session);
void add_doctor_command(CLI::App& app, Session& session);

/// Everything: global options, all commands, their examples. A new group is added in commands.cpp.
void declare_commands(CLI::App& app, Session& session);

}  // namespace call::cmd
