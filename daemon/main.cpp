// calld: the daemons, one subcommand each, and `calld up`, which runs them all. See calld(8).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "core/config/schema.hpp"
#include "daemon/process.hpp"
#include "daemon/roles.hpp"
#include "daemon/state_dir.hpp"
#include "daemon/up.hpp"
#include "daemon/version.hpp"

namespace {

using call::Errc;
using call::Error;
using call::Result;
using call::Status;
using call::config::Flag;
using namespace call::daemon;

// Exit codes, as callctl(1) documents them.
enum Exit : int { kDone = 0, kFailed = 1, kUsage = 2, kUnavailable = 69 };

struct Arguments {
  std::string config_file;
  std::vector<Flag> flags;
  bool burst = false;
  std::function<Result<Exit>()> action;

  call::config::Sources sources() const {
    call::config::Sources sources;
    if (!config_file.empty()) sources.file = config_file;
    sources.flags = flags;
    return sources;
  }
};

// A flag that stands for a configuration key: it takes the key's description.
void add_key_option(CLI::App& app, Arguments& arguments, const std::string& flag,
                    const std::string& key, const std::string& type) {
  const auto* declared = call::config::find_key(key);
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

void add_roles(CLI::App& app, Arguments& arguments) {
  add_role(app, arguments, "api", "HTTP API and the carrier's webhooks", run_api);
  auto* worker =
      add_role(app, arguments, "worker", "RQ worker: dials lists, files records",
               [&arguments](Process& process) { return run_worker(process, arguments.burst); });
  add_key_option(*worker, arguments, "--queues", "worker.queues", "A,B");
  add_key_option(*worker, arguments, "--concurrency", "worker.concurrency", "N");
  add_key_option(*worker, arguments, "--name", "worker.name", "NAME");
  worker->add_flag("--burst", arguments.burst, "End when the queues are empty");
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

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Outbound calling with real-time voice. See calld(8).", "calld");
  app.set_version_flag("--version", call::daemon::kVersion);
  app.require_subcommand(1);
  Arguments arguments;
  UpArguments up_arguments;
  add_roles(app, arguments);
  add_up(app, arguments, up_arguments);
  add_config(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  }
  return finish(arguments.action());
}
