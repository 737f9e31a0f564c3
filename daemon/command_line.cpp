#include "daemon/command_line.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "core/base/assert.hpp"
#include "daemon/roles.hpp"
#include "daemon/version.hpp"

namespace call::daemon {
namespace {

int finish(const Result<Exit>& result) {
  if (result) return *result;
  fmt::print(stderr, "calld: {}\n", result.error().context);
  switch (result.error().code) {
    case Errc::unavailable:
    case Errc::timeout:
      return kUnavailable;
    default:
      return kFailed;
  }
}

/// The word that stands where a command should; CLI11 only says that a command is missing.
std::string unknown_command(const CLI::App& app) {
  const CLI::App* group = &app;
  while (!group->get_subcommands().empty()) group = group->get_subcommands().front();
  const auto left = app.remaining(true);
  const bool wants_one = group->get_require_subcommand_min() > 0;
  return wants_one && !left.empty() && !left.front().starts_with('-') ? left.front() : "";
}

int refuse(const CLI::App& app, const CLI::ParseError& error) {
  const auto word = error.get_exit_code() == 0 ? std::string() : unknown_command(app);
  if (word.empty()) return app.exit(error) == 0 ? kDone : kUsage;
  fmt::print(stderr, "calld: there is no command \"{}\"; see {} --help\n", word, app.get_name());
  return kUsage;
}

}  // namespace

config::Sources Arguments::sources() const {
  config::Sources sources;
  if (!config_file.empty()) sources.file = config_file;
  sources.flags = flags;
  return sources;
}

void add_key_option(CLI::App& app, Arguments& arguments, const std::string& flag,
                    const std::string& key, const std::string& type) {
  const auto* declared = config::find_key(key);
  CALL_ASSERT(declared != nullptr);
  app.add_option_function<std::string>(
         flag,
         [&arguments, flag, key](const std::string& value) {
           arguments.flags.push_back({key, value, flag});
         },
         fmt::format("{} ({})", declared->help, key))
      ->type_name(type);
}

void add_config_option(CLI::App& app, Arguments& arguments) {
  app.add_option("--config", arguments.config_file,
                 "Configuration file (else $CALLD_CONFIG, else /etc/calld/calld.toml)")
      ->type_name("FILE");
}

CLI::App* add_role(CLI::App& app, Arguments& arguments, const std::string& name,
                   const std::string& what, std::function<Status(Process&)> run) {
  auto* role = app.add_subcommand(name, what);
  add_config_option(*role, arguments);
  add_key_option(*role, arguments, "--listen", name + ".listen", "HOST:PORT");
  add_key_option(*role, arguments, "--log-level", "log.level", "LEVELS");
  role->callback([&arguments, name, run = std::move(run)] {
    arguments.action = [&arguments, name, run]() -> Result<Exit> {
      CALL_TRY(const auto process, Process::start(name, arguments.sources()));
      const auto done = run(*process);
      if (done || done.error().code == Errc::cancelled) return kDone;
      return done.error();
    };
  });
  return role;
}

void add_worker(CLI::App& app, Arguments& arguments) {
  auto* worker =
      add_role(app, arguments, "worker", "RQ worker: dials lists, files records",
               [&arguments](Process& process) { return run_worker(process, arguments.burst); });
  add_key_option(*worker, arguments, "--queues", "worker.queues", "A,B");
  add_key_option(*worker, arguments, "--concurrency", "worker.concurrency", "N");
  add_key_option(*worker, arguments, "--name", "worker.name", "NAME");
  worker->add_flag("--burst", arguments.burst, "End when the queues are empty");
}

int run_command_line(CLI::App& app, Arguments& arguments, int argc, char** argv) {
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return refuse(app, error);
  }
  return finish(arguments.action());
}

}  // namespace call::daemon
