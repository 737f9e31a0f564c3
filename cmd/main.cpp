// callctl: the operator's tool. Parses the command line, runs the one command chosen, turns its result into an exit
// code. The commands are in the other files of this folder.
#include <CLI/CLI.hpp>

#include "cmd/commands.hpp"
#include "cmd/session.hpp"
#include "cmd/version.hpp"

namespace {

using namespace call::cmd;

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
  app.add_flag("-q,--quiet", options.quiet, "No messages but warnings and errors");
  app.add_flag("--show-numbers", options.show_numbers, "Telephone numbers in full, not masked");
}

int finish(const Session& session, const call::Result<Exit>& result) {
  if (result) return *result;
  session.fail(result.error());
  return exit_code(result.error().code);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Creates and watches outbound call lists, inspects queues and calls. See callctl(1).",
      "callctl");
  app.set_version_flag("--version", call::cmd::kVersion);
  app.require_subcommand(1);
  app.fallthrough();

  Session session;
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

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  return finish(session, session.action());
}
