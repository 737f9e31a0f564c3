#include "cmd/commands.hpp"

#include <CLI/CLI.hpp>

#include "cmd/completion.hpp"
#include "cmd/examples.hpp"
#include "cmd/session.hpp"

namespace call::cmd {
namespace {

void add_global_options(CLI::App& app, GlobalOptions& options) {
  app.add_option("--config", options.config_file,
                 "Configuration file (else $CALLD_CONFIG, else /etc/calld/calld.toml)")
      ->type_name("FILE");
  app.add_option("--tenant", options.tenant, "Whose lists and calls")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("-o,--output", options.format, "Format of the result")
      ->check(CLI::IsMember({"table", "json", "ndjson", "csv"}))
      ->type_name("table|json|ndjson|csv")
      ->capture_default_str();
  app.add_flag("--no-color", options.no_colour, "No colours (so does NO_COLOR)");
  app.add_flag("--no-pager", options.no_pager, "No pager, however long the table");
  app.add_flag("--no-input", options.no_input, "Never ask; fail where a person would be asked");
  app.add_flag("-q,--quiet", options.quiet, "No messages but warnings and errors");
  app.add_flag("--show-numbers", options.show_numbers, "Telephone numbers in full, not masked");
}

}  // namespace

void declare_commands(CLI::App& app, Session& session) {
  app.require_subcommand(1);
  app.fallthrough();
  add_global_options(app, session.options);
  add_list_commands(app, session);
  add_policy_commands(app, session);
  add_dnc_commands(app, session);
  add_call_commands(app, session);
  add_report_commands(app, session);
  add_top_command(app, session);
  add_attempt_commands(app, session);
  add_queue_commands(app, session);
  add_job_commands(app, session);
  add_worker_commands(app, session);
  add_cleanup_commands(app, session);
  add_db_commands(app, session);
  add_tenant_commands(app, session);
  add_log_level_command(app, session);
  add_doctor_command(app, session);
  add_completion_command(app, session);
  add_examples(app);
}

}  // namespace call::cmd
