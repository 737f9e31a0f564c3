// callctl doctor: this machine. Daemons and their versions, ports, limits, directories, clock, time zones.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cmd/doctor.hpp"
#include "cmd/version.hpp"
#include "core/base/assert.hpp"
#include "core/base/files.hpp"
#include "core/base/scope_exit.hpp"
#include "core/base/strings.hpp"
#include "core/control/control.hpp"

namespace call::cmd::doctor {
namespace {

constexpr std::uintmax_t kLeastFreeBytes = 1ULL << 30;
constexpr std::uintmax_t kLeastFreeFiles = 10'000;  // a call's record is up to five
constexpr std::int64_t kFilesBesidesCalls = 256;

struct Role {
  std::string name;
  config::Listen listen;
};

/// A soft limit of a process, by its name in /proc/PID/limits, if we may know it and there is one.
std::optional<std::int64_t> limit_of(std::int64_t pid, std::string_view name) {
  const auto text = read_file(fmt::format("/proc/{}/limits", pid), 1U << 16);
  if (!text) return std::nullopt;
  for (const auto line : split(*text, '\n')) {
    if (!line.starts_with(name)) continue;
    const auto rest = trim(line.substr(name.size()));
    return parse_number<std::int64_t>(rest.substr(0, rest.find(' ')));
  }
  return std::nullopt;
}

/// Whether the loops that carry audio (threads media-0, media-1, ...) go before others; nullopt when there is none to
/// look at.
std::optional<bool> loops_go_first(std::int64_t pid) {
  std::optional<bool> first;
  std::error_code ended;
  for (const auto& task :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/task", pid), ended)) {
    const auto tid = parse_number<pid_t>(task.path().filename().native());
    const auto name = read_file(task.path() / "comm", 64);
    if (!tid || !name || !name->starts_with("media-")) continue;
    const int policy = ::sched_getscheduler(*tid) & ~SCHED_RESET_ON_FORK;
    const bool raised = policy == SCHED_RR || policy == SCHED_FIFO ||
                        ::getpriority(PRIO_PROCESS, static_cast<id_t>(*tid)) < 0;
    first = first.value_or(true) && raised;
  }
  return first;
}

/// The unit that a process belongs to, or else what the package calls it.
std::string unit_of(std::string_view role, std::int64_t pid = 0) {
  const auto groups = read_file(fmt::format("/proc/{}/cgroup", pid), 1U << 12);
  const auto path = trim(groups ? std::string_view(*groups) : std::string_view());
  const auto unit = path.substr(path.rfind('/') + 1);
  constexpr std::string_view kService = ".service";
  if (unit.starts_with("calld-") && unit.ends_with(kService))
    return std::string(unit.substr(0, unit.size() - kService.size()));
  return role == "worker" ? "calld-worker@main" : fmt::format("calld-{}", role);
}

/// The command that gives a unit another limit.
std::string raise_limit(const std::string& unit, std::string_view setting) {
  const auto drop_ins = fmt::format("/etc/systemd/system/{}.service.d", unit);
  return fmt::format(
      "mkdir -p {0} && printf '[Service]\\n{1}\\n' > {0}/limits.conf && systemctl daemon-reload && "
      "systemctl restart {2}",
      drop_ins, setting, unit);
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

void check_limits(const Role& role, std::int64_t pid, const config::Config& config,
                  Findings& findings) {
  const auto check = role.name + " limits";
  const auto unit = unit_of(role.name, pid);
  const auto files = limit_of(pid, "Max open files");
  const auto wanted =
      (role.name == "media" ? config.media.max_calls : std::int64_t{1024}) + kFilesBesidesCalls;
  if (files && *files < wanted) {
    findings.warning(check, fmt::format("{} open files, it may need {}", *files, wanted),
                     raise_limit(unit, "LimitNOFILE=65536"));
  }
  if (role.name != "media" || config.media.priority != "auto") return;
  if (const auto first = loops_go_first(pid); first && !*first) {
    findings.warning(check,
                     fmt::format("its loops have no priority (limit of real-time priority {}, no "
                                 "negative nice value): on a busy machine audio stutters",
                                 limit_of(pid, "Max realtime priority").value_or(0)),
                     raise_limit(unit,
                                 "LimitRTPRIO=10\\nRestrictRealtime=no\\n"
                                 "SystemCallFilter=sched_setscheduler"));
  }
}

void check_running(const Role& role, const nlohmann::json& status, const config::Config& config,
                   Findings& findings) {
  const auto version = status.value("version", std::string());
  const auto pid = status.value("pid", std::int64_t{0});
  if (version != kVersion) {
    findings.warning(role.name, fmt::format("runs version {}, callctl is {}", version, kVersion),
                     "systemctl restart " + unit_of(role.name, pid));
  } else {
    findings.ok(role.name, fmt::format("running, version {}, process {}", version, pid));
  }
  check_limits(role, pid, config, findings);
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
    findings.warning(role.name, "not running on this machine",
                     "systemctl start " + unit_of(role.name));
  }
}

/// Whom the daemons run as: their runtime directory is theirs, also while none runs.
struct User {
  uid_t uid = ::geteuid();
  gid_t gid = ::getegid();
  std::string name = "calld";
};

User daemons_user(const config::Config& config) {
  User user;
  struct stat info {};
  const passwd* account = ::stat(config.service.runtime_dir.c_str(), &info) == 0
                              ? ::getpwuid(info.st_uid)
                              : ::getpwnam(user.name.c_str());
  if (account == nullptr) return user;
  return {account->pw_uid, account->pw_gid, account->pw_name};
}

/// Errno of writing into a directory as this user; as ourselves when we may not become somebody else.
int try_to_write(const config::Path& dir, const User& user) {
  const auto may_write = [&dir] {
    return ::faccessat(AT_FDCWD, dir.c_str(), W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
  };
  if (::geteuid() != 0 || user.uid == 0) return may_write();
  const ScopeExit root_again(
      [] { CALL_ASSERT(::seteuid(0) == 0 && ::setegid(0) == 0 && ::setgroups(0, nullptr) == 0); });
  if (::initgroups(user.name.c_str(), user.gid) != 0 || ::setegid(user.gid) != 0 ||
      ::seteuid(user.uid) != 0)
    return errno;
  return may_write();
}

void check_directory(const std::string& key, const config::Path& dir, const User& user,
                     Findings& findings) {
  struct statvfs space {};
  if (::statvfs(dir.c_str(), &space) != 0) {
    const int number = errno;
    const auto detail = fmt::format("{}: {}", dir.string(), std::strerror(number));
    findings.warning(key, detail,
                     number == EACCES ? "sudo callctl doctor"
                                      : fmt::format("install -d -o {0} -g {0} -m 750 {1}",
                                                    user.name, shell_word(dir.native())));
    return;
  }
  const int refused = try_to_write(dir, user);
  const std::uintmax_t free_bytes = std::uintmax_t{space.f_bavail} * space.f_frsize;
  const auto look = fmt::format("  # make room below {}", shell_word(dir.native()));
  if (refused != 0 && ::geteuid() != 0 && ::geteuid() != user.uid) {
    findings.warning(
        key, fmt::format("{}: only {} can tell whether it can be written", dir.string(), user.name),
        "sudo callctl doctor");
  } else if (refused != 0) {
    findings.error(
        key,
        fmt::format("{} cannot write into {} ({}): records of calls will be lost", user.name,
                    dir.string(), std::strerror(refused)),
        fmt::format("chown {0}: {1} && chmod u+rwx {1}", user.name, shell_word(dir.native())));
  } else if (free_bytes < kLeastFreeBytes) {
    findings.error(key, fmt::format("{} MiB free: records of calls will be lost", free_bytes >> 20),
                   fmt::format("du -xh {} | sort -h", shell_word(dir.native())) + look);
  } else if (space.f_files > 0 && space.f_favail < kLeastFreeFiles) {
    findings.error(key,
                   fmt::format("{} more files fit: records of calls will be lost",
                               std::uintmax_t{space.f_favail}),
                   fmt::format("du -x --inodes {} | sort -n", shell_word(dir.native())) + look);
  } else {
    findings.ok(key, fmt::format("{} GiB free", free_bytes >> 30));
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

void check_daemons(const config::Config& config, const Roles& roles, Findings& findings) {
  const Role known[] = {
      {"api", config.api.listen}, {"worker", config.worker.listen}, {"media", config.media.listen}};
  for (const auto& role : known) {
    if (!roles.contains(role.name)) continue;
    const auto statuses = control::call_all(config.service.runtime_dir, role.name,
                                            {{"command", "status"}}, service_deadline());
    if (statuses) {
      for (const auto& status : *statuses) check_running(role, status, config, findings);
    } else if (statuses.error().code == Errc::permission) {
      findings.warning(role.name, statuses.error().context, "sudo -u calld callctl doctor");
    } else {
      check_absent(role, findings);
    }
  }
}

void check_machine(const config::Config& config, const Roles& roles, Findings& findings) {
  const auto user = daemons_user(config);
  if (roles.contains("media") || roles.contains("worker"))
    check_directory("media.spool_dir", config.media.spool_dir, user, findings);
  if (roles.contains("worker"))
    check_directory("worker.records_dir", config.worker.records_dir, user, findings);
  check_own_clock(findings);
  check_time_zones(findings);
}

}  // namespace call::cmd::doctor
