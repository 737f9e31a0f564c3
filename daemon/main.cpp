// calld: the daemons, one subcommand each, and `calld up`, which runs them all. See calld(8).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "core/config/schema.hpp"
#include "daemon/command_line.hpp"
#include "daemon/hand_over.hpp"
#include "daemon/roles.hpp"
#include "daemon/state_dir.hpp"
#include "daemon/up.hpp"

namespace {

using call::Errc;
using call::Error;
using call::Result;
using call::Status;
using call::config::Flag;
using namespace call::daemon;

void add_roles(CLI::App& app, Arguments& arguments) {
  add_role(app, arguments, "api", "HTTP API and the carrier's webhooks", run_api);
  add_worker(app, arguments);
  add_role(app, arguments, "media", "Media server: holds the conversations", run_media);
  auto* sim =
      add_role(app, arguments, "sim", "Simulated carrier, for rehearsals and tests", run_sim);
  add_key_option(*sim, arguments, "--script", "sim.script", "FILE");
}

struct UpArguments {
  std::string state_dir = default_state_dir().string();
  std::vector<std::string> settings;
  bool free_ports = false;
  bool stop = false;
  bool status = false;
  bool as_json = false;
  int wait_ready_s = 0;
};

Result<UpOptions> up_options(const UpArguments& given) {
  UpOptions options{given.state_dir, {}, given.free_ports};
  for (const auto& setting : given.settings) {
    const auto equals = setting.find('=');
    const auto key = setting.substr(0, equals);
    if (equals == std::string::npos || call::config::find_key(key) == nullptr) {
      return Error{
          Errc::invalid_argument,
          fmt::format("--set {}: it must be SECTION.KEY=VALUE with a key that `calld config "
                      "keys` lists",
                      setting)};
    }
    options.settings.push_back({key, setting.substr(equals + 1), "--set " + key});
  }
  return options;
}

Result<Exit> up(const UpArguments& given) {
  if (given.stop) {
    CALL_CHECK(stop_up(given.state_dir));
    return kDone;
  }
  if (given.status) {
    CALL_TRY(const bool ready, print_up_status(given.state_dir, given.as_json));
    return ready ? kDone : kFailed;
  }
  if (given.wait_ready_s > 0) {
    CALL_CHECK(wait_until_up(given.state_dir, std::chrono::seconds(given.wait_ready_s)));
    return kDone;
  }
  CALL_TRY(const auto options, up_options(given));
  auto done = run_up(options);
  if (done || done.error().code == Errc::cancelled) return kDone;
  auto error = std::move(done).error();
  if (error.code == Errc::not_found)
    error.code = Errc::unavailable;  // a server's program is missing
  return error;
}

void add_up(CLI::App& app, Arguments& arguments, UpArguments& given) {
  auto* command = app.add_subcommand(
      "up", "All of it on this machine, with a PostgreSQL and a Redis of its own");
  command->add_option("--state-dir", given.state_dir, "Where everything of it lies")
      ->type_name("DIR")
      ->capture_default_str();
  command->add_option("--set", given.settings, "A configuration key for this run; may be repeated")
      ->type_name("SECTION.KEY=VALUE");
  command->add_flag("--free-ports", given.free_ports, "Listen on ports that happen to be free");
  auto* stop = command->add_flag("--stop", given.stop, "End the one that runs in the directory");
  auto* status =
      command->add_flag("--status", given.status, "Say how that one is; exit 0 when ready");
  command->add_flag("--json", given.as_json, "The status as JSON")->needs(status);
  command
      ->add_option("--wait-ready", given.wait_ready_s,
                   "Wait until that one is ready, so long at most")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 86400))
      ->excludes(stop)
      ->excludes(status);
  stop->excludes(status);
  command->callback([&arguments, &given] { arguments.action = [&given] { return up(given); }; });
}

void add_config(CLI::App& app, Arguments& arguments) {
  auto* group = app.add_subcommand("config", "Look at the configuration");
  group->require_subcommand(1);
  const auto add = [&](const char* name, const char* what, bool reads, auto print) {
    auto* command = group->add_subcommand(name, what);
    if (reads) add_config_option(*command, arguments);
    command->callback([&arguments, print] {
      arguments.action = [&arguments, print]() -> Result<Exit> { return print(arguments); };
    });
  };
  add("check", "Check file and environment; say every fault", true,
      [](const Arguments& a) -> Result<Exit> {
        CALL_TRY(const auto loaded, call::config::load(a.sources()));
        fmt::print("{}: good\n", loaded.file.empty() ? "no file" : loaded.file.string());
        return kDone;
      });
  add("show", "Print the values in force as TOML, passwords masked", true,
      [](const Arguments& a) -> Result<Exit> {
        CALL_TRY(const auto loaded, call::config::load(a.sources()));
        fmt::print("{}", call::config::render_toml(loaded.config, true));
        return kDone;
      });
  add("keys", "List every key with its default and meaning", false,
      [](const Arguments&) -> Result<Exit> {
        fmt::print("{}", call::config::render_help());
        return kDone;
      });
  add("mdoc", "Print the list of keys for calld.toml(5)", false,
      [](const Arguments&) -> Result<Exit> {
        fmt::print("{}", call::config::render_mdoc());
        return kDone;
      });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) become_program_of(argv[1], argv);
  CLI::App app("Outbound calling with real-time voice. See calld(8).", "calld");
  Arguments arguments;
  UpArguments up_arguments;
  add_roles(app, arguments);
  add_up(app, arguments, up_arguments);
  add_config(app, arguments);
  return run_command_line(app, arguments, argc, argv);
}
