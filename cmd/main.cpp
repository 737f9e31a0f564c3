// callctl: the operator's tool. Parses the command line, runs the one command chosen, turns its result into an exit
// code. The commands are in the other files of this folder.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <string_view>

#include "cmd/commands.hpp"
#include "cmd/completion.hpp"
#include "cmd/session.hpp"
#include "cmd/text_width.hpp"
#include "cmd/version.hpp"
#include "core/base/assert.hpp"
#include "core/log/log.hpp"

namespace {

using namespace call::cmd;

int finish(const Session& session, const call::Result<Exit>& result) {
  if (result) return *result;
  session.fail(result.error());
  return exit_code(result.error().code);
}

/// The word that stands where a command should. CLI11 only says that a command is missing.
std::string unknown_command(const CLI::App& app) {
  const CLI::App* group = &app;
  while (!group->get_subcommands().empty()) group = group->get_subcommands().front();
  const auto left = app.remaining(true);  // groups let it fall through to their parent
  const bool wants_one = group->get_require_subcommand_min() > 0;
  return wants_one && !left.empty() && !left.front().starts_with('-') ? left.front() : "";
}

/// "callctl list start", as far as the words were understood.
std::string understood(const CLI::App& app) {
  std::string out = app.get_name();
  const CLI::App* group = &app;
  while (!group->get_subcommands().empty()) {
    group = group->get_subcommands().front();
    out += " " + group->get_name();
  }
  return out;
}

int refuse(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == 0) {
    app.exit(error);  // --help, --version
    return kDone;
  }
  const auto word = unknown_command(app);
  const auto why = word.empty() ? error.what() : fmt::format("there is no command \"{}\"", word);
  fmt::print(stderr, "callctl: {}; see {} --help\n", printable(why), understood(app));
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Creates and watches outbound call lists, inspects queues and calls. See callctl(1).",
      "callctl");
  app.set_version_flag("--version", call::cmd::kVersion);
  // What the library logs while it works is for daemons; errors come back as results and are said once.
  const auto quiet = call::log::set_levels("warn");
  CALL_ASSERT(quiet.ok());
  Session session;
  session.argv = argv;
  declare_commands(app, session);

  // Words that are still being typed are no command line yet: they do not go through the parser.
  if (argc > 3 && std::string_view(argv[1]) == "__complete") {
    return print_candidates(app, {argv + 3, argv + argc}, session);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return refuse(app, error);
  }
  return finish(session, session.action());
}
