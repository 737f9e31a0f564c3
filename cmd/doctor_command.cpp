// callctl doctor: what would keep this installation from calling, why, and the command that mends it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/doctor.hpp"
#include "cmd/tables.hpp"
#include "core/base/strings.hpp"

namespace call::cmd {
namespace doctor {

std::string Findings::edit(std::string_view what) const {
  return fmt::format("sudoedit {}  # {}", shell_word(file_), what);
}

void Findings::ok(std::string check, std::string detail) {
  all_.push_back({std::move(check), Severity::ok, std::move(detail), ""});
}

void Findings::warning(std::string check, std::string detail, std::string repair) {
  all_.push_back({std::move(check), Severity::warning, std::move(detail), std::move(repair)});
}

void Findings::error(std::string check, std::string detail, std::string repair) {
  all_.push_back({std::move(check), Severity::error, std::move(detail), std::move(repair)});
}

}  // namespace doctor

namespace {

using nlohmann::json;

struct DoctorOptions {
  bool local = false;
  bool strict = false;
  bool problems = false;
  std::vector<std::string> roles = {"api", "worker", "media"};
};

std::string_view to_string(doctor::Severity severity) {
  switch (severity) {
    case doctor::Severity::ok:
      return "ok";
    case doctor::Severity::warning:
      return "warning";
    case doctor::Severity::error:
      return "error";
  }
  return "";
}

json to_json(const doctor::Finding& finding) {
  return {{"check", finding.check},
          {"severity", to_string(finding.severity)},
          {"detail", finding.detail},
          {"repair", finding.repair.empty() ? json() : json(finding.repair)}};
}

Status show(const Session& session, const doctor::Findings& findings,
            const DoctorOptions& options) {
  json rows = json::array();
  for (const auto& finding : findings.all()) {
    if (options.problems && finding.severity == doctor::Severity::ok) continue;
    rows.push_back(to_json(finding));
  }
  return session.show(table("doctor"), rows);
}

/// As config::load finds it.
std::string configuration_file(const Session& session) {
  if (!session.options.config_file.empty()) return session.options.config_file;
  const char* named = std::getenv("CALLD_CONFIG");
  return named != nullptr && *named != '\0' ? named : "/etc/calld/calld.toml";
}

/// Nothing else can be looked at with a configuration that is not understood.
void explain(const Error& error, doctor::Findings& findings) {
  if (error.code == Errc::permission) {
    findings.error("configuration", error.context, "sudo callctl doctor");
    return;
  }
  for (const auto fault : split(error.context, '\n'))
    findings.error("configuration", std::string(fault), findings.edit("then: calld config check"));
}

Result<Exit> examine(Session& session, const DoctorOptions& options) {
  doctor::Findings findings(configuration_file(session));
  const auto loaded = session.configuration();
  if (!loaded) {
    explain(loaded.error(), findings);
    CALL_CHECK(show(session, findings, options));
    return kUsage;
  }
  const auto* config = *loaded;
  findings.ok("configuration", "understood");
  doctor::check_postgresql(session, findings);
  doctor::check_redis(session, findings);
  const doctor::Roles roles(options.roles.begin(), options.roles.end());
  doctor::check_daemons(*config, roles, findings);
  doctor::check_machine(*config, roles, findings);
  if (!options.local) {
    doctor::check_carrier(*config, findings);
    doctor::check_public_urls(*config, findings);
  }
  CALL_CHECK(show(session, findings, options));
  auto worst = doctor::Severity::ok;
  for (const auto& finding : findings.all()) worst = std::max(worst, finding.severity);
  const auto tolerated = options.strict ? doctor::Severity::ok : doctor::Severity::warning;
  return worst > tolerated ? kFailed : kDone;
}

}  // namespace

void add_doctor_command(CLI::App& app, Session& session) {
  add_command<DoctorOptions>(
      app, session, "doctor",
      "Check this installation; exit 1 when something would keep it from calling",
      [](CLI::App& command, DoctorOptions& options) {
        command.add_flag("--local", options.local,
                         "Ask neither the carrier nor the public addresses");
        command.add_flag("--problems", options.problems, "Show only what is not well");
        command.add_flag("--strict", options.strict, "Exit 1 for warnings, too");
        command
            .add_option("--roles", options.roles,
                        "What this machine runs, when that is not everything")
            ->delimiter(',')
            ->check(CLI::IsMember({"api", "worker", "media"}))
            ->type_name("ROLE,...");
      },
      examine);
}

}  // namespace call::cmd
