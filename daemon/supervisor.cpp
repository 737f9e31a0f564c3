#include "daemon/supervisor.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "core/base/strings.hpp"
#include "core/net/http_client.hpp"

namespace call::daemon {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstBackoff{1000};
constexpr milliseconds kLongestBackoff{30000};
constexpr seconds kStable{60};  // a role that ran so long starts with the first backoff again

bool answers_ready(const config::Listen& listen) {
  const auto url = net::parse_url(fmt::format("http://{}/readyz", listen.to_string()));
  if (!url) return false;
  const auto answer = net::http_call(*url, {}, Deadline::after(seconds(1))).response;
  return answer && answer->status == 200;
}

}  // namespace

Supervisor::Supervisor(std::filesystem::path program, std::filesystem::path config_file,
                       std::filesystem::path log_dir)
    : program_(std::move(program)),
      config_file_(std::move(config_file)),
      log_dir_(std::move(log_dir)) {}

Status Supervisor::start(const RoleSpec& spec) {
  Role role;
  role.spec = spec;
  CALL_CHECK(launch(role));
  roles_.push_back(std::move(role));
  return {};
}

Status Supervisor::launch(Role& role) {
  local::ChildOptions options;
  options.argv = {program_.string(), role.spec.name, "--config", config_file_.string()};
  options.output = log_dir_ / (role.spec.name + ".log");
  CALL_TRY(auto child, local::Child::start(options));
  role.child = std::move(child);
  role.started_at = MonoClock::now();
  role.ready = false;
  return {};
}

// A child that has ended becomes an empty place with a time to fill it again.
void Supervisor::bury(Role& role) {
  const auto code = role.child->wait(Deadline::after(milliseconds(0)));
  role.child.reset();
  role.ready = false;
  const auto now = MonoClock::now();
  const bool was_stable = now - role.started_at > kStable;
  role.backoff = was_stable || role.backoff.count() == 0
                     ? kFirstBackoff
                     : std::min(role.backoff * 2, kLongestBackoff);
  role.restart_at = now + role.backoff;
  log_.error("{} ended with code {} and is started again in {} s; its last words: {}",
             role.spec.name, code ? *code : -1, role.backoff.count() / 1000, last_words(role));
}

void Supervisor::tick() {
  for (Role& role : roles_) {
    if (role.child && !role.child->running()) bury(role);
    if (role.child || MonoClock::now() < role.restart_at) continue;
    ++role.restarts;
    if (const auto launched = launch(role); !launched) {
      log_.error("{} cannot be started: {}", role.spec.name, launched.error().to_string());
      role.restart_at = MonoClock::now() + kLongestBackoff;
    }
  }
}

void Supervisor::ask_readiness() {
  for (Role& role : roles_) role.ready = role.child && answers_ready(role.spec.listen);
}

std::optional<std::string> Supervisor::first_death() {
  for (Role& role : roles_) {
    if (role.child && role.child->running()) continue;
    return fmt::format("{} did not start: {}", role.spec.name, last_words(role));
  }
  return std::nullopt;
}

void Supervisor::stop(const std::string& name) {
  const auto found = std::find_if(roles_.begin(), roles_.end(),
                                  [&](const Role& role) { return role.spec.name == name; });
  if (found == roles_.end()) return;
  if (found->child && !found->child->stop(SIGTERM, Deadline::after(found->spec.patience))) {
    log_.warn("{} did not end in {} ms and was killed", name, found->spec.patience.count());
  }
  roles_.erase(found);
}

void Supervisor::signal_all(int signal) {
  for (Role& role : roles_) {
    if (role.child && role.child->running()) ::kill(role.child->pid(), signal);
  }
}

std::vector<RoleState> Supervisor::states() {
  std::vector<RoleState> states;
  for (Role& role : roles_) {
    const bool running = role.child && role.child->running();
    states.push_back({role.spec.name, role.spec.listen.to_string(), running, role.ready,
                      running ? role.child->pid() : 0, role.restarts});
  }
  return states;
}

std::string Supervisor::last_words(const Role& role) const {
  const auto path = log_dir_ / (role.spec.name + ".log");
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "it has no log";
  constexpr std::streamoff kTail = 4096;
  file.seekg(std::max<std::streamoff>(0, file.tellg() - kTail));
  const std::string tail{std::istreambuf_iterator<char>(file), {}};
  const auto lines = split(trim(tail), '\n');
  return fmt::format("{} (see {})", lines.back(), path.string());
}

}  // namespace call::daemon
