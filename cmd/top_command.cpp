// callctl top: calls, lists, queues and workers, live. A thread of its own looks at PostgreSQL and
// Redis, so that keys work while one of them is away; the main thread draws.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "cmd/command.hpp"
#include "cmd/commands.hpp"
#include "cmd/terminal.hpp"
#include "cmd/top_view.hpp"

namespace call::cmd {
namespace {

using std::chrono::milliseconds;

constexpr auto kKeyPeriod = milliseconds(200);
constexpr int kMostCalls = 500;
constexpr int kMostLists = 50;

struct TopOptions {
  double interval_s = 1;
  int count = 0;  ///< 0: until told to end
};

Status look_at_database(Session& session, Look& look) {
  CALL_TRY(auto* connection, session.database());
  CALL_TRY(const auto tenant, session.tenant());
  std::vector<store::Attempt> calls;
  for (const auto state : {store::AttemptState::intent, store::AttemptState::sending,
                           store::AttemptState::placed, store::AttemptState::unknown}) {
    CALL_TRY(auto some, store::attempts(*connection, tenant.id, std::nullopt, state, kMostCalls));
    std::ranges::move(some, std::back_inserter(calls));
  }
  CALL_TRY(auto lists, store::list_summaries(*connection, tenant.id, kMostLists,
                                             store::ListOrder::running_first));
  for (auto& call : calls) call.to_number = session.number(call.to_number);
  std::ranges::sort(calls, {}, &store::Attempt::created_at);
  look.calls = std::move(calls);
  look.lists = std::move(lists);
  return {};
}

Status look_at_redis(Session& session, Look& look) {
  CALL_TRY(auto* redis, session.redis());
  CALL_TRY(auto queues, rq::queues(*redis, service_deadline()));
  CALL_TRY(auto workers, rq::workers(*redis, service_deadline()));
  look.queues = std::move(queues);
  look.workers = std::move(workers);
  return {};
}

/// Looks again and again until destroyed. The session is the thread's as long as it runs.
class Watcher {
 public:
  Watcher(Session& session, milliseconds interval)
      : session_(session), interval_(interval), thread_([this] { run(); }) {}
  ~Watcher() {
    {
      std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  /// The newest look, and how many there were.
  std::pair<Look, int> newest() const {
    std::lock_guard lock(mutex_);
    return {look_, looks_};
  }
  /// Waits for a look that is newer than `seen`; false at the end of the time.
  bool wait_newer(int seen, milliseconds span) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, span, [&] { return looks_ > seen; });
  }
  void look_now() {
    {
      std::lock_guard lock(mutex_);
      wanted_ = true;
    }
    changed_.notify_all();
  }

 private:
  void run() {
    Look look;
    look.tenant = session_.options.tenant;
    std::unique_lock lock(mutex_);
    while (!ending_) {
      wanted_ = false;
      lock.unlock();
      const auto error_of = [](const Status& status) {
        return status ? std::nullopt : std::optional(status.error().context);
      };
      look.database_error = error_of(look_at_database(session_, look));
      look.redis_error = error_of(look_at_redis(session_, look));
      look.at = wall_now();
      lock.lock();
      look_ = look;
      ++looks_;
      changed_.notify_all();
      changed_.wait_for(lock, interval_, [this] { return ending_ || wanted_; });
    }
  }

  Session& session_;
  const milliseconds interval_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Look look_;
  int looks_ = 0;
  bool ending_ = false;
  bool wanted_ = false;
  std::thread thread_;
};

bool told_to_end(int signal_number) {
  return signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP;
}

/// A screen of its own, redrawn, with keys.
Status run_on_screen(Watcher& watcher, bool colour, int count) {
  FullScreen screen;
  bool keys = ::isatty(STDIN_FILENO) != 0;
  TopStyle style{colour, keys, false};
  auto [look, looks] = watcher.newest();
  for (;;) {
    if (!style.paused) std::tie(look, looks) = watcher.newest();
    if (looks == 0) look.at = wall_now();
    CALL_CHECK(screen.show(draw_top(look, screen.size(), style)));
    if (count > 0 && looks >= count) return {};
    const int key = wait_key(kKeyPeriod, keys);
    const int signal_number = CaughtSignals::take();
    if (key == 'q' || key == 'Q' || told_to_end(signal_number)) return {};
    if (key == -1) keys = style.keys = false;
    if (key == ' ') style.paused = !style.paused;
    if (key == 'r') watcher.look_now();
    if (signal_number == SIGTSTP) screen.suspend();
  }
}

/// One text after the other, for pipes and scripts.
Status run_as_stream(Watcher& watcher, const Session& session, int count, Look& last) {
  int seen = 0;
  while (count == 0 || seen < count) {
    if (told_to_end(CaughtSignals::take())) return {};
    if (!watcher.wait_newer(seen, kKeyPeriod)) continue;
    std::tie(last, seen) = watcher.newest();
    std::string text;
    if (session.format() == Format::table) {
      const Size size{10000, session.screen().columns};
      for (const auto& line : draw_top(last, size, {})) text += line + "\n";
      if (count == 0 || seen < count) text += "\n";
    } else {
      text = json_text(to_json(last), session.format() == Format::ndjson ? -1 : 2);
    }
    CALL_CHECK(print(text));
  }
  return {};
}

Result<Exit> top(Session& session, const TopOptions& options) {
  if (session.format() == Format::csv) {
    return Error{Errc::invalid_argument, "top has no CSV: use -o ndjson, one object a look"};
  }
  CALL_CHECK(session.configuration());
  const auto screen = session.screen();
  const bool whole_screen = session.format() == Format::table && screen.terminal;
  // A pipe gets one look, unless it asks for more; a stream of objects goes on.
  const bool endless = whole_screen || session.format() == Format::ndjson;
  const int count = options.count > 0 ? options.count : endless ? 0 : 1;
  const CaughtSignals signals;
  Watcher watcher(session, milliseconds(static_cast<int>(options.interval_s * 1000)));
  if (whole_screen) {
    CALL_CHECK(run_on_screen(watcher, screen.colour, count));
    return kDone;
  }
  Look last;
  CALL_CHECK(run_as_stream(watcher, session, count, last));
  const bool away = last.database_error || last.redis_error;
  if (last.database_error) session.warn("{}", *last.database_error);
  if (last.redis_error) session.warn("{}", *last.redis_error);
  return count > 0 && away ? kUnavailable : kDone;
}

}  // namespace

void add_top_command(CLI::App& app, Session& session) {
  add_command<TopOptions>(
      app, session, "top", "Open calls, lists, queues and workers, live",
      [](CLI::App& command, TopOptions& options) {
        command.add_option("--interval", options.interval_s, "Between two looks")
            ->type_name("SECONDS")
            ->check(CLI::Range(0.1, 3600.0))
            ->capture_default_str();
        command
            .add_option("--count", options.count,
                        "End after so many looks (else: never on a terminal, 1 off it)")
            ->type_name("N")
            ->check(CLI::Range(1, 1000000));
      },
      top);
}

}  // namespace call::cmd
