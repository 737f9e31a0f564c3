// callctl doctor: this machine. Daemons and their versions, ports, limits, disk, clock, time zones.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cmd/doctor.hpp"
#include "cmd/version.hpp"
#include "core/base/files.hpp"
#include "core/base/scope_exit.hpp"
#include "core/base/strings.hpp"
#include "core/control/control.hpp"

namespace call::cmd::doctor {
namespace {

constexpr std::uintmax_t kLeastFreeBytes = 1ULL << 30;
constexpr std::int64_t kFilesBesidesCalls = 256;

struct Role {
  std::string name;
  config::Listen listen;
};

/// Soft limit of open files of a process, if we may know it.
std::optional<std::int64_t> open_files_limit(std::int64_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/limits", pid), 1U << 16);
  if (!text) return std::nullopt;
  for (const auto line : split(*text, '\n')) {
    constexpr std::string_view kName = "Max open files";
    if (!line.starts_with(kName)) continue;
    const auto rest = trim(line.substr(kName.size()));
    return parse_number<std::int64_t>(rest.substr(0, rest.find(' ')));
  }
  return std::nullopt;
}

/// A role that does not run here needs its port free; Errno of an attempt to take it.
int try_port(const config::Listen& listen) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(listen.port);
  if (listen.port == 0 || ::inet_pton(AF_INET, listen.host.c_str(), &address.sin_addr) != 1)
    return 0;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const ScopeExit close_fd([fd] { ::close(fd); });
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  return ::bind(fd, generic, sizeof address) == 0 ? 0 : errno;
}

std::string unit_of(const Role& role) {
  return role.name == "worker" ? "calld-worker@main" : "calld-" + role.name;
}

void check_running(const Role& role, const nlohmann::json& status, const config::Config& config,
                   Findings& findings) {
  const auto version = status.value("version", std::string());
  if (version != kVersion) {
    findings.warning(role.name, fmt::format("runs version {}, callctl is {}", version, kVersion),
                     "systemctl restart " + unit_of(role));
  } else {
    findings.ok(role.name, fmt::format("running, version {}", version));
  }
  const auto limit = open_files_limit(status.value("pid", std::int64_t{0}));
  const auto wanted =
      (role.name == "media" ? config.media.max_calls : std::int64_t{1024}) + kFilesBesidesCalls;
  if (limit && *limit < wanted) {
    findings.warning(
        role.name + " limits", fmt::format("{} open files, it may need {}", *limit, wanted),
        fmt::format("systemctl edit {0}: LimitNOFILE=65536; systemctl restart {0}", unit_of(role)));
  }
}

void check_absent(const Role& role, Findings& findings) {
  const int taken = try_port(role.listen);
  if (taken == EADDRINUSE) {
    findings.warning(
        role.name,
        fmt::format("it does not answer at its control socket, and another process has {}",
                    role.listen.to_string()),
        fmt::format("ss -ltnp 'sport = :{}'", role.listen.port));
  } else {
    findings.warning(role.name, "not running on this machine", "systemctl start " + unit_of(role));
  }
}

void check_disk(const std::string& key, const config::Path& dir, Findings& findings) {
  std::error_code error;
  const auto space = std::filesystem::space(dir, error);
  if (error) {
    findings.warning(key, fmt::format("{}: {}", dir.string(), error.message()),
                     fmt::format("install -d -o calld -g calld -m 750 {}", dir.string()));
  } else if (space.available < kLeastFreeBytes) {
    findings.error(key,
                   fmt::format("{} MiB free: records of calls will be lost", space.available >> 20),
                   fmt::format("make room below {}", dir.string()));
  } else {
    findings.ok(key, fmt::format("{} GiB free", space.available >> 30));
  }
}

void check_own_clock(Findings& findings) {
  timex state{};
  const bool synchronised = ::adjtimex(&state) != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
  if (synchronised) {
    findings.ok("clock", "synchronised");
  } else {
    findings.warning("clock", "nothing keeps this machine's clock right",
                     "timedatectl set-ntp true");
  }
}

void check_time_zones(Findings& findings) {
  std::error_code ignored;
  if (std::filesystem::exists("/usr/share/zoneinfo/America/New_York", ignored)) {
    findings.ok("time zones", "installed");
  } else {
    findings.error("time zones", "no time zone data: calling hours of callees cannot be known",
                   "apt-get install tzdata");
  }
}

}  // namespace

void check_daemons(const config::Config& config, Findings& findings) {
  const Role roles[] = {
      {"api", config.api.listen}, {"worker", config.worker.listen}, {"media", config.media.listen}};
  for (const auto& role : roles) {
    const auto socket = config.service.runtime_dir / (role.name + ".sock");
    const auto status = control::call(socket, {{"command", "status"}}, service_deadline());
    if (status) {
      check_running(role, *status, config, findings);
    } else if (status.error().code == Errc::permission) {
      findings.warning(role.name, status.error().context, "sudo -u calld callctl doctor");
    } else {
      check_absent(role, findings);
    }
  }
}

void check_machine(const config::Config& config, Findings& findings) {
  check_disk("media.spool_dir", config.media.spool_dir, findings);
  check_disk("worker.records_dir", config.worker.records_dir, findings);
  check_own_clock(findings);
  check_time_zones(findings);
}

}  // namespace call::cmd::doctor
