// callctl doctor: what would keep this installation from calling, why, and the command that mends it.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/doctor.hpp"
#include "cmd/tables.hpp"
#include "core/base/strings.hpp"

namespace call::cmd {
namespace doctor {

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

Result<Exit> examine(Session& session, const DoctorOptions& options) {
  const auto loaded = session.configuration();
  if (!loaded && loaded.error().code != Errc::invalid_argument) return loaded.error();
  doctor::Findings findings;
  if (!loaded) {
    // Nothing else can be looked at with a configuration that is not understood.
    for (const auto fault : split(loaded.error().context, '\n')) {
      findings.error("configuration", std::string(fault), "correct it, then: calld config check");
    }
    CALL_CHECK(show(session, findings, options));
    return kUsage;
  }
  const auto* config = *loaded;
  findings.ok("configuration", "understood");
  doctor::check_postgresql(session, findings);
  doctor::check_redis(session, findings);
  doctor::check_daemons(*config, findings);
  doctor::check_machine(*config, findings);
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
      },
      examine);
}

}  // namespace call::cmd
