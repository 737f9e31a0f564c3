#include "daemon/process.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/clock.hpp"
#include "core/base/strings.hpp"
#include "daemon/notify.hpp"
#include "daemon/version.hpp"

namespace call::daemon {
namespace {

// Each takes 400 bytes from the start on, whether it is used or not.
constexpr std::size_t kLogQueueLines = 2048;

}  // namespace

Process::Process(std::string role, config::Sources sources)
    : role_(std::move(role)), sources_(std::move(sources)) {}

Process::~Process() {
  notify("STOPPING=1");
}

Result<std::unique_ptr<Process>> Process::start(std::string role, config::Sources sources) {
  std::unique_ptr<Process> process(new Process(std::move(role), std::move(sources)));
  CALL_CHECK(process->load());
  process->log_.info("calld {} {} starts, {}", process->role_, kVersion,
                     process->loaded_.file.empty()
                         ? std::string("without a configuration file")
                         : "configured by " + process->loaded_.file.string());
  process->metrics_
      .gauge("calld_info", "Version and role of this process",
             {{"role", process->role_}, {"version", kVersion}})
      .set(1);
  process->metrics_.gauge_function("calld_log_dropped_lines",
                                   "Log lines lost because the output was slow",
                                   [] { return static_cast<double>(log::dropped_lines()); });
  process->open_control();
  return process;
}

Status Process::load() {
  CALL_TRY(loaded_, config::load(sources_));
  auto options = config::log_options(loaded_.config.log);
  options.queue_lines = kLogQueueLines;
  CALL_TRY(auto session, log::setup(options));
  log_session_ = std::make_unique<log::Session>(std::move(session));
  return {};
}

// A daemon without its control socket does its work all the same: only `callctl log-level` misses
// it.
void Process::open_control() {
  control::Handlers handlers;
  const auto started = to_rfc3339(wall_now());
  handlers["status"] = [this, started](const Json&) -> Result<Json> {
    return Json{{"role", role_},
                {"pid", ::getpid()},
                {"version", kVersion},
                {"started_at", started},
                {"state", state_.with([](const std::string& state) { return state; })}};
  };
  const auto directory = config().service.runtime_dir;
  auto server = control::Server::listen(directory / (role_ + ".sock"), handlers);
  if (!server && server.error().code == Errc::conflict) {
    log_.info("{}; this process is {}-{}.sock", server.error().context, role_, ::getpid());
    server =
        control::Server::listen(directory / fmt::format("{}-{}.sock", role_, ::getpid()), handlers);
  }
  if (!server) {
    log_.warn("no control socket: {}", server.error().to_string());
    return;
  }
  control_ = *std::move(server);
}

void Process::set_state(std::string_view state) {
  state_.with([&](std::string& current) { current = state; });
  notify(fmt::format("STATUS={}", state));
}

void Process::ready(std::string_view state) {
  set_state(state);
  notify("READY=1");
  log_.info("ready: {}", state);
}

bool Process::pause(std::chrono::milliseconds span) {
  const auto until = Deadline::after(span);
  const auto watchdog = watchdog_interval();
  while (!draining_) {
    const auto slice = watchdog ? std::min(*watchdog, until.left()) : until.left();
    const auto event = shutdown_.wait(Deadline::after(slice));
    if (watchdog) feed_watchdog(*watchdog);
    if (event == runtime::Shutdown::Event::drain) {
      draining_ = true;
      notify("STOPPING=1");
      log_.info("told to end: finishing what runs (a second signal ends it at once)");
      set_state("finishing what runs");
    }
    if (event == runtime::Shutdown::Event::reload) reload();
    if (until.passed()) break;
  }
  return !draining_;
}

void Process::run_until_told_to_end() {
  while (pause(std::chrono::hours(1))) continue;
}

bool Process::finish(std::chrono::milliseconds span, const std::function<bool(Deadline)>& step) {
  constexpr std::chrono::seconds kMargin{10};
  const auto until = Deadline::after(span);
  notify(fmt::format("EXTEND_TIMEOUT_USEC={}", std::chrono::microseconds(span + kMargin).count()));
  const auto watchdog = watchdog_interval();
  for (;;) {
    const auto slice = watchdog ? std::min(*watchdog, until.left()) : until.left();
    if (step(Deadline::after(slice))) return true;
    if (until.passed()) return false;
    if (watchdog) feed_watchdog(*watchdog);
  }
}

// The main thread does not vouch for the others: they beat for themselves.
void Process::feed_watchdog(std::chrono::milliseconds interval) {
  const auto slowest = pulses_.slowest();
  const bool starving = slowest && slowest->silence >= interval;
  if (starving && !starving_) {
    log_.error("{} has made no progress for {} s: the watchdog is not fed", slowest->name,
               std::chrono::duration_cast<std::chrono::seconds>(slowest->silence).count());
  }
  starving_ = starving;
  if (!starving) notify("WATCHDOG=1");
}

void Process::reload() {
  auto fresh = config::load(sources_);
  if (!fresh) {
    log_.error("the configuration was not reloaded: {}", fresh.error().context);
    return;
  }
  const auto& log_section = fresh->config.log;
  if (const auto levels = log::set_levels(log_section.level); !levels) {
    log_.error("the log levels were not reloaded: {}", levels.error().context);
    return;
  }
  log::set_show_numbers(log_section.show_numbers);
  const auto waiting = config::changed_keys_that_need_restart(config(), fresh->config);
  log_.info("configuration reloaded{}",
            waiting.empty() ? "" : "; these changes need a restart: " + join(waiting, ", "));
}

}  // namespace call::daemon
