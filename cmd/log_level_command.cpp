// callctl log-level: look at or change how much a running daemon says. Of several daemons of one role all are changed,
// and the first is shown.
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/tables.hpp"
#include "core/control/control.hpp"

namespace call::cmd {
namespace {

using nlohmann::json;

struct LevelOptions {
  std::string role;
  std::string module;
  std::string level;
};

Result<Exit> log_level(Session& session, const LevelOptions& options) {
  CALL_TRY(const auto* config, session.configuration());
  json request = {{"command", "log-level"}};
  if (!options.level.empty()) {
    request["level"] = options.level;
    if (options.module != "all") request["module"] = options.module;
  }
  CALL_TRY(const auto answers, control::call_all(config->service.runtime_dir, options.role, request,
                                                 service_deadline()));
  json rows = json::array();
  for (const auto& [module, level] : answers.front().at("levels").items()) {
    if (options.module.empty() || options.module == "all" || options.module == module) {
      rows.push_back({{"module", module}, {"level", level}});
    }
  }
  if (rows.empty())
    return Error{Errc::not_found, fmt::format("no module is called '{}'", options.module)};
  CALL_CHECK(session.show(table("log-level"), rows));
  return kDone;
}

}  // namespace

void add_log_level_command(CLI::App& app, Session& session) {
  add_command<LevelOptions>(
      app, session, "log-level", "Look at or change the log levels of a running daemon",
      [](CLI::App& command, LevelOptions& options) {
        command.add_option("role", options.role, "api, worker, media or sim")
            ->required()
            ->check(CLI::IsMember({"api", "worker", "media", "sim"}))
            ->type_name("ROLE");
        command.add_option("module", options.module, "One module, or all")->type_name("MODULE");
        command
            .add_option("level", options.level,
                        "trace, debug, info, warn, error or off; none: only look")
            ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
            ->type_name("LEVEL");
      },
      log_level);
}

}  // namespace call::cmd
